//! Tables in the CSV format, without the network: two tools that answer structured content.

use std::collections::BTreeMap;

use mcpbox_sdk::{Error, Result, progress, tool};
use schemars::JsonSchema;
use serde::Serialize;

/// What is known of a column.
#[derive(Serialize, JsonSchema)]
struct Column {
    /// Its name, from the first line.
    name: String,
    /// How many rows have something in it.
    filled: usize,
    /// The sum of the rows that are numbers; none if there is none.
    sum: Option<f64>,
}

/// Summarises each column of a table in the CSV format.
#[tool(title = "Summarise CSV", read_only, idempotent)]
fn summarize(
    /// The table; its first line names the columns.
    csv: &str,
    /// What stands between two columns.
    #[default(',')]
    separator: char,
) -> Result<Vec<Column>> {
    let (names, rows) = table(csv, separator)?;
    let mut columns: Vec<Column> = names.into_iter().map(|name| Column { name, filled: 0, sum: None }).collect();
    let total = rows.len() as f64;
    for (number, row) in rows.iter().enumerate() {
        if number % 1_000 == 0 {
            progress::report(number as f64, Some(total), Some("reading rows"));
        }
        for (column, cell) in columns.iter_mut().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            column.filled += 1;
            if let Ok(value) = cell.trim().parse::<f64>() {
                column.sum = Some(column.sum.unwrap_or(0.0) + value);
            }
        }
    }
    Ok(columns)
}

/// Finds the rows of a table in the CSV format where a column has a value.
#[tool(read_only, idempotent)]
fn filter(
    /// The table; its first line names the columns.
    csv: &str,
    /// Name of the column.
    column: &str,
    /// The value that it must have.
    value: &str,
) -> Result<Vec<BTreeMap<String, String>>> {
    let (names, rows) = table(csv, ',')?;
    let Some(at) = names.iter().position(|name| name == column) else {
        let words = format!("there is no column {column}; there are: {}", names.join(", "));
        return Err(Error::invalid_arguments(words));
    };
    let matching = rows.into_iter().filter(|row| row[at] == value);
    Ok(matching.map(|row| names.iter().cloned().zip(row).collect()).collect())
}

/// Names of the columns, and the rows; each row has as many cells.
fn table(csv: &str, separator: char) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut lines = records(csv, separator)?.into_iter();
    let names = lines.next().ok_or_else(|| Error::invalid_arguments("the table is empty"))?;
    let mut rows = Vec::new();
    for (number, row) in lines.enumerate() {
        if row.len() != names.len() {
            let words = format!("row {} has {} cells, and there are {} columns", number + 1, row.len(), names.len());
            return Err(Error::invalid_arguments(words));
        }
        rows.push(row);
    }
    Ok((names, rows))
}

/// The records of RFC 4180: cells in quotes may hold separators, line ends and doubled quotes.
fn records(csv: &str, separator: char) -> Result<Vec<Vec<String>>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            _ if is_quoted => cell.push(character),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            _ if character == separator => record.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    if is_quoted {
        return Err(Error::invalid_arguments("a quote is not closed"));
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    Ok(records)
}

mcpbox_sdk::tools!(summarize, filter);

#[cfg(test)]
mod tests {
    use mcpbox_sdk::ToolError;
    use mcpbox_sdk::testing::Host;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quoted_cell_may_hold_everything() {
        let (names, rows) = table("a,b\r\n\"x, \"\"y\"\"\nz\",2\r\n", ',').expect("a table");
        assert_eq!((names, rows), (vec!["a".into(), "b".into()], vec![vec!["x, \"y\"\nz".into(), "2".into()]]));
    }

    #[test]
    fn columns_are_summed() {
        let result = Host::new().call::<summarize>(json!({"csv": "n,m\n1,x\n2.5,\n"})).expect("a result");
        let expected = json!({"result": [
            {"name": "n", "filled": 2, "sum": 3.5},
            {"name": "m", "filled": 1, "sum": null},
        ]});
        assert_eq!(result.structured, Some(expected.to_string()));
    }

    #[test]
    fn an_unknown_column_is_a_fault_of_the_arguments() {
        let arguments = json!({"csv": "a,b\n1,2\n", "column": "c", "value": "1"});
        let words = "there is no column c; there are: a, b";
        assert_eq!(Host::new().call::<filter>(arguments), Err(ToolError::InvalidArguments(words.into())));
    }
}
