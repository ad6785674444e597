//! The schema of MCPbox: the list of changes and one file for each.
