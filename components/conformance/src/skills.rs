//! Skills: one with files in folders, one of a single file below a prefix.

mcpbox_sdk::skill! {
    /// Reviews a change.
    pub(crate) code_review {
        path: "code-review",
        folder: "skills/code-review",
        files: ["SKILL.md", "references/checklist.md", "templates/answer.md"],
    }
}

mcpbox_sdk::skill! {
    /// Writes the report of a week.
    pub(crate) weekly { path: "reports/weekly", folder: "skills/weekly", files: ["SKILL.md"] }
}
