//! The options of sockets, from the tables of the engine.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, bail};

use super::super::headers;
use super::header::words;
use super::sources::Sources;
use super::status::{Part, Status, Tally};
use super::suite::Suite;
use super::table::{self, Cell};

/// How the titles of the families of options begin.
pub const SECTION_OF_OPTIONS: &str = "Options ";

/// The levels: as the engine's table has them, as a program names them, and how names of options begin there.
const LEVELS: [(&str, &str, &[&str]); 5] = [
    ("SOCKET", "SOL_SOCKET", &["SO_", "PVD_"]),
    ("IP", "IPPROTO_IP", &["IP_", "MCAST_"]),
    ("IPV6", "IPPROTO_IPV6", &["IPV6_", "MCAST_"]),
    ("TCP", "IPPROTO_TCP", &["TCP_"]),
    ("UDP", "IPPROTO_UDP", &["UDP_"]),
];

/// Where the value of an option lives that can only be read.
const READ_ONLY: [&str; 10] = [
    "SocketType",
    "Listening",
    "MessageMax",
    "ConnectTime",
    "Constant",
    "PathMtu",
    "PathMtu6",
    "ProtocolInfoA",
    "ProtocolInfoW",
    "Addresses",
];

/// Orders, which can only be set.
const WRITE_ONLY: [&str; 3] = ["UpdateAcceptContext", "UpdateConnectContext", "Membership"];

/// How many tests a row names.
const TESTS_NAMED: usize = 3;

/// A row of the engine's table: an option, for some kinds of sockets.
struct Row {
    level: String,
    name: String,
    scope: String,
    form: String,
    /// Where the value lives, and with what.
    what: Cell,
}

/// The options, by their level.
pub fn part(sources: &Sources) -> Result<Part> {
    let options = Options::read(sources)?;
    let mut part = Part {
        text: HEAD.to_string(),
        tallies: Vec::new(),
    };
    for (short, level, prefixes) in LEVELS {
        let _ = write!(part.text, "\n### {level}\n\n{LEVEL_HEAD}");
        let known: Vec<&str> = options.names_at(short);
        let mut statuses = Vec::new();
        for name in &known {
            let (row, status) = options.row(sources, short, name)?;
            part.text += &row;
            statuses.push(status);
        }
        for name in options.other_names(prefixes, &known) {
            let (row, status) = options.unknown_row(sources, name);
            part.text += &row;
            statuses.push(status);
        }
        part.tallies.push(Tally::new("options", statuses));
    }
    Ok(part)
}

struct Options {
    rows: Vec<Row>,
    /// What a fresh socket answers, by the name of the setting.
    defaults: BTreeMap<String, String>,
    /// All names that the headers have, with their values.
    names: Vec<(&'static str, i64)>,
    suite: Suite,
}

impl Options {
    fn read(sources: &Sources) -> Result<Options> {
        let settings = sources.engine("sockets/option/settings.rs")?;
        let engine = sources.engine("sockets/option/table.rs")?;
        let rows = table::rows(engine, "OPTIONS")?;
        let sections = headers::socket_constants();
        let of_options = sections
            .iter()
            .filter(|section| section.title.starts_with(SECTION_OF_OPTIONS));
        let names: Vec<_> = of_options
            .flat_map(|section| section.constants.clone())
            .collect();
        Ok(Options {
            rows: rows
                .iter()
                .map(|cells| Row::new(cells, engine))
                .collect::<Result<_>>()?,
            defaults: table::rows(settings, "SETTINGS")?
                .iter()
                .map(|cells| default(cells, settings))
                .collect::<Result<_>>()?,
            suite: sources.tests_of(names.iter().map(|(name, _)| (*name, *name))),
            names,
        })
    }

    /// The options of a level, in the order of the engine's table.
    fn names_at(&self, level: &str) -> Vec<&str> {
        let at_level = self.rows.iter().filter(|row| row.level == level);
        let mut names: Vec<&str> = at_level.map(|row| row.name.as_str()).collect();
        names.dedup();
        names
    }

    /// The names of a level that are no options of any socket here, nor other names of one.
    fn other_names(&self, prefixes: &[&str], known: &[&str]) -> Vec<&'static str> {
        let of_level = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let is_known = |value| known.iter().any(|name| self.value(name) == Some(value));
        let names = self
            .names
            .iter()
            .filter(|(name, value)| of_level(name) && !is_known(*value));
        names.map(|(name, _)| *name).collect()
    }

    fn value(&self, name: &str) -> Option<i64> {
        self.names
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// Other names of the same number at the same level.
    fn other_names_of(&self, level: &str, name: &str) -> Vec<&'static str> {
        let prefixes = LEVELS
            .iter()
            .find(|(short, ..)| *short == level)
            .map_or(&[][..], |level| level.2);
        let same = |(other, value): &&(&str, i64)| {
            prefixes.iter().any(|prefix| other.starts_with(prefix))
                && Some(*value) == self.value(name)
        };
        let found = self.names.iter().filter(same).map(|(name, _)| *name);
        found.filter(|other| *other != name).collect()
    }

    fn row(&self, sources: &Sources, level: &str, name: &str) -> Result<(String, Status)> {
        let is_it = |row: &&Row| row.level == level && row.name == name;
        let rows: Vec<&Row> = self.rows.iter().filter(is_it).collect();
        let first = rows.first().context("an option without a row")?;
        let others = self.other_names_of(level, name);
        let names: Vec<String> = [name]
            .iter()
            .chain(&others)
            .map(|name| format!("`{name}`"))
            .collect();
        let scopes: Vec<&str> = rows
            .iter()
            .map(|row| scope(&row.scope))
            .collect::<Result<_>>()?;
        let mut defaults: Vec<String> = rows
            .iter()
            .map(|row| self.default(row))
            .collect::<Result<_>>()?;
        defaults.dedup();
        let status = self.status(sources, &[&[name], &others[..]].concat());
        let text = format!(
            "| {} | {} | {} | {} | {} | {} | {status} |\n",
            names.join(", "),
            scopes.join("; "),
            first.type_of_value()?,
            defaults.join("; "),
            first.access(),
            self.tests(name),
        );
        Ok((text, status))
    }

    /// A name that no socket knows as an option.
    fn unknown_row(&self, sources: &Sources, name: &str) -> (String, Status) {
        let status = match sources.differences.are_to_come(name) {
            true => Status::Missing,
            false => self.status(sources, &[name]),
        };
        let text = format!(
            "| `{name}` | none | | | WSAENOPROTOOPT | {} | {status} |\n",
            self.tests(name)
        );
        (text, status)
    }

    fn tests(&self, name: &str) -> String {
        self.suite
            .summary(name, TESTS_NAMED)
            .unwrap_or("none".to_string())
    }

    fn status(&self, sources: &Sources, names: &[&str]) -> Status {
        let any = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
        Status::of(
            any(&|name| self.suite.uses(name).next().is_some()),
            any(&|name| sources.differences.are_to_come(name)),
            any(&|name| sources.differences.are_about(name)),
        )
    }

    fn default(&self, row: &Row) -> Result<String> {
        let what: Vec<&str> = row.what.iter().map(String::as_str).collect();
        Ok(match what[..] {
            ["Recorded" | "Hops", _, setting] => {
                let default = self.defaults.get(setting);
                default
                    .with_context(|| format!("{setting} has no default"))?
                    .clone()
            }
            ["DontLinger"] => "1".to_string(),
            ["Error" | "Listening" | "OpenType"] => "0".to_string(),
            ["IpOptions"] => "empty".to_string(),
            ["Constant", value] => value.to_string(),
            ["ConnectTime"] => "0xFFFFFFFF".to_string(),
            _ => String::new(),
        })
    }
}

impl Row {
    /// Reads the arguments of a row; `text` is the file, whose constants are numbers.
    fn new(cells: &[Cell], text: &str) -> Result<Row> {
        let [level, name, scope, form, what, ..] = cells else {
            bail!("a row of sockets/option/table.rs has five arguments at least: {cells:?}");
        };
        let first = |cell: &Cell| cell.first().cloned().context("an empty argument");
        Ok(Row {
            level: first(level)?,
            name: first(name)?,
            scope: first(scope)?,
            form: first(form)?,
            what: what
                .iter()
                .filter(|word| *word != "What")
                .map(|word| constant(text, word).unwrap_or(word).to_string())
                .collect(),
        })
    }

    fn type_of_value(&self) -> Result<String> {
        let what: Vec<&str> = self.what.iter().map(String::as_str).collect();
        Ok(match what[..] {
            ["ProtocolInfoA"] => "WSAPROTOCOL_INFOA".to_string(),
            ["ProtocolInfoW"] => "WSAPROTOCOL_INFOW".to_string(),
            ["Addresses"] => "CSADDR_INFO".to_string(),
            ["UpdateAcceptContext"] => "SOCKET".to_string(),
            ["UpdateConnectContext"] => "none".to_string(),
            ["IpOptions"] => "bytes".to_string(),
            ["Recorded", _, "Linger"] => "LINGER".to_string(),
            ["Membership", _, shape, ..] => snake_case(shape),
            _ => match self.form.as_str() {
                "Flag" | "SmallFlag" | "Switch" => "BOOL",
                "Byte" => "BOOL, one byte",
                "Small" => "int, a byte",
                "Word" => "DWORD",
                form => bail!("{form} has no type in xtask/src/functions/options.rs"),
            }
            .to_string(),
        })
    }

    fn access(&self) -> &'static str {
        match self.what.first().map_or("", String::as_str) {
            "Refused" => "WSAEINVAL",
            what if READ_ONLY.contains(&what) => "get",
            what if WRITE_ONLY.contains(&what) => "set",
            _ => "get, set",
        }
    }
}

fn scope(scope: &str) -> Result<&'static str> {
    Ok(match scope {
        "Any" => "all",
        "Stream" => "stream",
        "Datagram" => "datagram",
        "Raw" => "raw",
        "Message" => "datagram, raw",
        _ => bail!("{scope} has no words in xtask/src/functions/options.rs"),
    })
}

/// The name of a setting and its default, as a number where the file says which.
fn default(cells: &[Cell], settings: &str) -> Result<(String, String)> {
    let [setting, default, ..] = cells else {
        bail!("a row of sockets/option/settings.rs has two arguments at least: {cells:?}");
    };
    let setting = setting.last().context("a setting without a name")?;
    let default: Vec<&str> = default.iter().map(String::as_str).collect();
    let default = match default[..] {
        ["u32", "MAX"] => "-1".to_string(),
        [name] => constant(settings, name).unwrap_or(name).to_string(),
        _ => bail!("the default of {setting} is not understood"),
    };
    Ok((setting.clone(), default))
}

/// The number that a constant of a file has.
fn constant<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = text.split_once(&format!("const {name}: u32 = "))?;
    value.split(';').next()
}

/// `IpMreqSource` as C has it: `struct ip_mreq_source`.
fn snake_case(name: &str) -> String {
    let mut result = String::from("struct ");
    for (at, character) in name.char_indices() {
        if character.is_uppercase() && at > 0 {
            result.push('_');
        }
        result.extend(character.to_lowercase());
    }
    debug_assert_eq!(words(&result).count(), 2);
    result
}

const HEAD: &str = "
## Socket options

Of `getsockopt` and `setsockopt`, declared by `winsock2.h`; a default is what a fresh socket answers.
";

const LEVEL_HEAD: &str = "\
| option | sockets | type | default | access | tests | status |
|---|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(words: &[&[&str]]) -> Vec<Cell> {
        let cell = |cell: &&[&str]| cell.iter().map(ToString::to_string).collect();
        words.iter().map(cell).collect()
    }

    #[test]
    fn a_row_of_the_engine_says_type_and_access() {
        let row = |what: &[&str]| {
            let row = cells(&[
                &["IP"],
                &["IP_X", "as", "i32"],
                &["Any"],
                &["Word"],
                what,
                &[],
            ]);
            Row::new(&row, "const MAX: u32 = 65507;").unwrap()
        };
        let both = |row: &Row| (row.type_of_value().unwrap(), row.access());
        let membership = row(&["Membership", "Shape", "IpMreqSource", "Change", "Join"]);
        assert_eq!(
            both(&membership),
            ("struct ip_mreq_source".to_string(), "set")
        );
        assert_eq!(
            both(&row(&["What", "PathMtu"])),
            ("DWORD".to_string(), "get")
        );
        assert_eq!(row(&["What", "Refused"]).access(), "WSAEINVAL");
        assert_eq!(
            row(&["What", "Constant", "MAX"]).what,
            ["Constant", "65507"]
        );
    }

    #[test]
    fn defaults_are_numbers_where_the_file_says_which() {
        let settings = "pub const HOPS: u32 = 128;";
        let of = |value: &[&str]| {
            default(&cells(&[&["Setting", "Ttl"], value]), settings)
                .unwrap()
                .1
        };
        assert_eq!(of(&["HOPS"]), "128");
        assert_eq!(of(&["u32", "MAX"]), "-1");
        assert_eq!(of(&["65536"]), "65536");
    }
}
