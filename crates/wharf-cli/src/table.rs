//! Results as a table: a title, and under it what was measured beside its value.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};

/// A line above, below and under the title, none between the rows.
const TABLE_STYLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

/// A table of two columns, the second aligned to the right.
pub fn of(title: &str, rows: Vec<(&'static str, String)>) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header([title, ""]);
    for (measured, value) in rows {
        table.add_row([measured.into(), value]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Whether io_uring is used; if not, who knows why.
pub fn yes_or_doctor(io_uring: bool) -> String {
    let text = if io_uring {
        "yes"
    } else {
        "no (see `wharf doctor`)"
    };
    text.into()
}
