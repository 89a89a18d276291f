//! The constants by family, and the control codes.

use std::fmt::Write;

use super::super::headers::{self, Section};
use super::options::SECTION_OF_OPTIONS;
use super::sources::Sources;
use super::status::{Part, Status, Tally};

/// The family of control codes, which have a table of their own.
const CONTROL_CODES: &str = "Codes of ioctlsocket and WSAIoctl";

/// What a code says of its buffers.
const OUTPUT: i64 = 0x4000_0000;
const INPUT: i64 = 0x8000_0000;

/// How many tests a row of a control code names.
const TESTS_NAMED: usize = 3;

/// The constants; options and control codes are elsewhere.
pub fn part(sources: &Sources) -> Part {
    let mut part = Part {
        text: HEAD.to_string(),
        tallies: Vec::new(),
    };
    let is_family = |section: &Section| {
        !section.title.starts_with(SECTION_OF_OPTIONS) && section.title != CONTROL_CODES
    };
    for (header, sections) in [
        ("winsock2.h", headers::socket_constants()),
        ("windows.h", headers::kernel_constants()),
    ] {
        let sections: Vec<Section> = sections.into_iter().filter(is_family).collect();
        families(&mut part, sources, header, &sections);
    }
    part
}

fn families(part: &mut Part, sources: &Sources, header: &str, sections: &[Section]) {
    let constants = || sections.iter().flat_map(|section| &section.constants);
    let suite = sources.tests_of(constants().map(|(name, _)| (*name, *name)));
    let status = |name: &str| {
        let differences = &sources.differences;
        Status::of(
            true,
            differences.are_to_come(name),
            differences.are_about(name),
        )
    };
    let mut title = "";
    for section in sections {
        if section.title != title {
            title = section.title;
            let _ = write!(part.text, "\n### {title}: `{header}`\n\n{FAMILY_HEAD}");
        }
        for (name, value) in &section.constants {
            let tests = suite.summary(name, 1).unwrap_or("none".to_string());
            let (value, status) = (section.literal(*value), status(name));
            let _ = writeln!(part.text, "| `{name}` | {value} | {tests} | {status} |");
        }
    }
    let statuses = constants().map(|(name, _)| status(name));
    part.tallies.push(Tally::new("constants", statuses));
}

/// The control codes. One that the engine does not name is answered as Windows answers what it does not support.
pub fn control_codes_part(sources: &Sources) -> Part {
    let sections = headers::socket_constants();
    let sections = sections
        .iter()
        .filter(|section| section.title == CONTROL_CODES);
    let codes: Vec<_> = sections
        .flat_map(|section| section.constants.iter().map(move |code| (section, code)))
        .collect();
    let suite = sources.tests_of(codes.iter().map(|(_, (name, _))| (*name, *name)));

    let mut part = Part {
        text: CONTROL_HEAD.to_string(),
        tallies: Vec::new(),
    };
    let mut statuses = Vec::new();
    for (section, (name, value)) in codes {
        let served = sources.engine_uses(name);
        let tests = suite.summary(name, TESTS_NAMED);
        let differs = sources.differences.are_about(name);
        let status = match served {
            true => Status::of(
                tests.is_some(),
                sources.differences.are_to_come(name),
                differs,
            ),
            false if sources.differences.are_to_come(name) => Status::Missing,
            false => Status::of(tests.is_some(), false, differs),
        };
        let _ = writeln!(
            part.text,
            "| `{name}` | {} | {} | {} | {} | {status} |",
            section.literal(*value),
            buffers(*value),
            if served {
                "served"
            } else {
                "not supported, as on Windows"
            },
            tests.unwrap_or("none".to_string()),
        );
        statuses.push(status);
    }
    part.tallies.push(Tally::new("control codes", statuses));
    part
}

fn buffers(code: i64) -> &'static str {
    match (code & INPUT != 0, code & OUTPUT != 0) {
        (true, true) => "input, output",
        (true, false) => "input",
        (false, true) => "output",
        (false, false) => "none",
    }
}

const HEAD: &str = "
## Constants

Each value is Microsoft's metadata's (`windows-sys`), and a static assertion of `crates/wharf-capi/tests/c/contract.c`
against the headers here and MinGW's. Options of sockets and control codes have tables of their own, above.
";

const FAMILY_HEAD: &str = "\
| constant | value | tests | status |
|---|---|---|---|
";

const CONTROL_HEAD: &str = "
## Control codes

Of `WSAIoctl`, and of `ioctlsocket`, declared by `winsock2.h`. What is not supported answers WSAEOPNOTSUPP, or
fails later with it where there is an OVERLAPPED (`wsa_ioctl::unknown_codes_fail_later_when_overlapped`).

| code | value | buffers | answer | tests | status |
|---|---|---|---|---|---|
";
