//! The rows of the result: what is in one, their order, and how they are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, Table, Width};
use partner_center_devices::models::{BatchUploadDetails, DeviceBatchCollection};
use partner_center_devices::{DeviceError, Response};
use serde::Serialize;

use crate::common::{self, Result, table};
use crate::input::Id;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Table,
    Csv,
    /// JSON Lines
    Jsonl,
}

/// The result for one ID.
#[derive(Default, Serialize)]
pub(crate) struct Row {
    customer_id: String,
    tracking_id: Option<String>,
    status: Option<String>,
    batches: Option<usize>,
    devices: Option<i64>,
    failed_devices: Option<usize>,
    detail: String,
    pub(crate) error: Option<String>,
    pub(crate) correlation_id: Option<String>,
}

pub(crate) const HEADER: [&str; 9] = [
    "customer_id",
    "tracking_id",
    "status",
    "batches",
    "devices",
    "failed_devices",
    "detail",
    "error",
    "correlation_id",
];

impl Row {
    pub(crate) fn new(id: &Id<'_>) -> Self {
        let (customer_id, tracking_id) = (id.customer.to_owned(), id.tracking.map(str::to_owned));
        Self { customer_id, tracking_id, ..Self::default() }
    }

    pub(crate) fn set_batches(&mut self, list: &Response<DeviceBatchCollection>) {
        self.correlation_id = Some(list.correlation_id().to_string());
        self.batches = Some(list.items.len());
        self.devices = Some(list.items.iter().filter_map(|batch| batch.devices_count).map(i64::from).sum());
        let names: Vec<_> = list.items.iter().map(|batch| batch.id.as_deref().unwrap_or("-")).collect();
        self.detail = names.join("; ");
    }

    pub(crate) fn set_upload(&mut self, upload: &Response<BatchUploadDetails>) {
        let summary = upload.summary();
        self.correlation_id = Some(upload.correlation_id().to_string());
        self.status = upload.status.as_ref().map(ToString::to_string);
        self.devices = i64::try_from(summary.devices).ok();
        self.failed_devices = Some(summary.failed);
        let reason = |(error, count): &(DeviceError, usize)| {
            format!("{count} × {} {}", error.code().unwrap_or_default(), error.name().unwrap_or_default())
        };
        self.detail = summary.by_error.iter().map(reason).collect::<Vec<_>>().join("; ");
    }
}

/// Writes the rows in the order of the IDs, and counts them.
pub(crate) struct Rows {
    writer: Writer,
    /// Rows whose predecessors are not there yet, by their place.
    early: BTreeMap<usize, Row>,
    pub(crate) count: usize,
    pub(crate) failed: usize,
    pub(crate) failed_devices: usize,
}

impl Rows {
    pub(crate) fn new(format: Format, file: Option<&Path>) -> Result<Self> {
        let writer = Writer::new(format, file)?;
        Ok(Self { writer, early: BTreeMap::new(), count: 0, failed: 0, failed_devices: 0 })
    }

    /// Adds the row for the ID at this place. Writes it, and those that waited for it, when its turn comes.
    pub(crate) fn add(&mut self, place: usize, row: Row) -> Result<()> {
        self.failed += usize::from(row.error.is_some());
        self.failed_devices += row.failed_devices.unwrap_or_default();
        self.early.insert(place, row);
        while let Some(row) = self.early.remove(&self.count) {
            self.count += 1;
            self.writer.write(row).map_err(|error| format!("cannot write the rows: {error}"))?;
        }
        Ok(())
    }

    /// Writes what is left. It is an error if an ID failed.
    pub(crate) fn end(self) -> Result<()> {
        let Self { count, failed, failed_devices, .. } = self;
        self.writer.end()?;
        common::tell(format!(
            "{count} IDs: {} succeeded, {failed} failed; {failed_devices} failed devices",
            count - failed
        ));
        if failed > 0 { Err(format!("{failed} of {count} IDs failed").into()) } else { Ok(()) }
    }
}

/// The columns of a table: those that fit beside each other. Lines have the correlation ID, too.
const COLUMNS: &[&str] = HEADER.split_at(8).0;

/// A table needs all its rows to find the widths. More rows make a further table.
const ROWS_OF_A_TABLE: usize = 500;

/// Writes rows as they come; those of a table together.
enum Writer {
    /// The table, and how many are written already.
    Table(Box<Table>, usize, Box<dyn Write>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Jsonl(Box<dyn Write>),
}

impl Writer {
    fn new(format: Format, file: Option<&Path>) -> Result<Self> {
        let output: Box<dyn Write> = match file {
            None => Box::new(io::stdout()),
            Some(path) => {
                Box::new(File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?)
            }
        };
        Ok(match format {
            Format::Table => Self::Table(Box::new(table_of_rows()), 0, output),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                writer.write_record(HEADER)?;
                Self::Csv(Box::new(writer))
            }
            Format::Jsonl => Self::Jsonl(output),
        })
    }

    fn write(&mut self, row: Row) -> Result<()> {
        match self {
            Self::Table(table, written, output) => {
                if table.row_count() == ROWS_OF_A_TABLE {
                    if *written == 0 {
                        common::tell(format!(
                            "more than {ROWS_OF_A_TABLE} rows: --format csv or jsonl suits them better"
                        ));
                    }
                    *written += 1;
                    writeln!(output, "{table}")?;
                    **table = table_of_rows();
                }
                let members: BTreeMap<String, serde_json::Value> = serde_json::from_value(serde_json::to_value(row)?)?;
                table.add_row(COLUMNS.iter().map(|name| match &members[*name] {
                    serde_json::Value::Null => "-".to_owned(),
                    serde_json::Value::String(text) => common::printable(text),
                    number => number.to_string(),
                }));
            }
            Self::Csv(writer) => {
                writer.serialize(row)?;
                writer.flush()?;
            }
            Self::Jsonl(output) => {
                writeln!(output, "{}", serde_json::to_string(&row)?)?;
                output.flush()?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<()> {
        if let Self::Table(table, _, mut output) = self {
            writeln!(output, "{table}")?;
        }
        Ok(())
    }
}

/// An ID is never broken into two lines, however narrow the terminal is: it could not be copied.
fn table_of_rows() -> Table {
    let mut table = table(COLUMNS);
    for column in table.column_iter_mut().take(2) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(36 + 2)));
    }
    table
}
