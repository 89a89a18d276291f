//! The C and C++ door from outside: programs compiled against `include/`, linked to libwharf, and run.
//!
//! The sources are in `tests/c`. What is plain Windows code there is also compiled by MinGW against its own headers,
//! so that what these tests expect of a header does not rest on our headers alone.
//!
//! `cargo test` does not build the libraries of this package (no Rust crate can link them), so the tests ask cargo
//! for them, once, and read the paths from cargo's answer: they are the current ones, in whichever target directory.
//!
//! A missing compiler skips what needs it, with a note; under `CI` it is a failure.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const C_STANDARDS: [&str; 2] = ["-std=gnu99", "-std=gnu11"];
const CPP_STANDARDS: [&str; 4] = ["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20"];

/// Settings that change what libc's headers or ours declare.
const VARIANTS: [&[&str]; 3] = [
    &["-O2", "-D_FORTIFY_SOURCE=2"],
    &["-DUNICODE", "-D_UNICODE"],
    &["-DUNICODE", "-D_UNICODE", "-fshort-wchar", "-D_GNU_SOURCE"],
];

/// Windows' headers after libc's, before them, and on both sides.
const ORDERS: [&str; 3] = ["libc_first", "libc_last", "libc_between"];

#[test]
fn every_include_order_works_in_c() {
    let Some(gcc) = Compiler::native("gcc") else {
        return;
    };
    for order in ORDERS {
        let source = format!("{order}.c");
        for standard in C_STANDARDS {
            gcc.build(&source, &[standard]).run();
        }
        for variant in VARIANTS {
            gcc.build(&source, variant).run();
        }
    }
}

#[test]
fn every_include_order_works_in_cpp() {
    let Some(gxx) = Compiler::native("g++") else {
        return;
    };
    for order in ORDERS {
        let source = format!("{order}.cpp");
        for standard in CPP_STANDARDS {
            gxx.build(&source, &[standard]).run();
        }
        for variant in VARIANTS {
            gxx.build(&source, variant).run();
        }
    }
}

/// The same sources are Windows programs. (MinGW's default has no std::thread, so the C++ ones are left out.)
#[test]
fn every_include_order_is_a_windows_program() {
    let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") else {
        return;
    };
    for order in ORDERS {
        gcc.build(&format!("{order}.c"), &[]);
    }
}

/// What a compiler grumbles about in ordinary Windows sources, here and with MinGW.
const GRUMBLES: [&str; 2] = ["-Wno-unknown-pragmas", "-Wno-unused-value"];

#[test]
fn habits_of_windows_sources_work() {
    if let Some(gcc) = Compiler::native("gcc") {
        gcc.build(
            "idioms.c",
            &[&GRUMBLES[..], &["-Wno-int-conversion"]].concat(),
        )
        .run();
    }
    if let Some(gxx) = Compiler::native("g++") {
        gxx.build(
            "idioms.cpp",
            &[&GRUMBLES[..], &["-Wno-conversion-null"]].concat(),
        )
        .run();
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build(
            "idioms.c",
            &[&GRUMBLES[..], &["-Wno-int-conversion"]].concat(),
        );
    }
}

/// Windows, messages and the objects of waits, in every width of text.
#[test]
fn message_loops_work() {
    let variants: [&[&str]; 4] = [
        &[],
        &["-fshort-wchar"],
        &["-DUNICODE", "-D_UNICODE"],
        &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"],
    ];
    if let Some(gcc) = Compiler::native("gcc") {
        for variant in variants {
            gcc.build("messages.c", variant).run();
        }
    }
    if let Some(gxx) = Compiler::native("g++") {
        gxx.build("messages.cpp", variants[2]).run();
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build("messages.c", &[]);
        gcc.build("messages.c", variants[2]);
    }
}

/// What the headers alone have: macros and inline functions. A library of MinGW lacks some, so there it is only compiled.
#[test]
fn macros_mean_what_windows_says() {
    if let Some(gcc) = Compiler::native("gcc") {
        for variant in VARIANTS {
            gcc.build("macros.c", variant).run();
        }
    }
    if let Some(gxx) = Compiler::native("g++") {
        for standard in CPP_STANDARDS {
            gxx.build("macros.cpp", &[standard]).run();
        }
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build("macros.c", &["-Wno-cast-function-type"]);
    }
}

/// Datagrams with their addresses, and messages with control data.
#[test]
fn datagrams_work() {
    if let Some(gcc) = Compiler::native("gcc") {
        for standard in C_STANDARDS {
            gcc.build("datagrams.c", &[standard]).run();
        }
    }
    if let Some(gxx) = Compiler::native("g++") {
        for standard in CPP_STANDARDS {
            gxx.build("datagrams.cpp", &[standard]).run();
        }
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build("datagrams.c", &["-Wno-cast-function-type"]);
    }
}

/// Connections by list and condition, second handles, DisconnectEx; and descriptors, which are Linux' alone.
#[test]
fn connections_work() {
    let variants: [&[&str]; 3] = [
        &[],
        &["-DUNICODE", "-D_UNICODE"],
        &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"],
    ];
    if let Some(gcc) = Compiler::native("gcc") {
        for variant in variants {
            gcc.build("connections.c", variant).run();
        }
        gcc.build("descriptors.c", &[]).run();
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build("connections.c", &[]);
    }
}

/// Queries of a name space, in every width of text, and waits for changes of it and of the catalog.
#[test]
fn lookups_work() {
    let variants: [&[&str]; 3] = [
        &[],
        &["-DUNICODE", "-D_UNICODE"],
        &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"],
    ];
    if let Some(gcc) = Compiler::native("gcc") {
        for variant in variants {
            gcc.build("lookups.c", variant).run();
        }
    }
    if let Some(gxx) = Compiler::native("g++") {
        gxx.build("lookups.cpp", variants[1]).run();
    }
    if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
        gcc.build("lookups.c", variants[1]);
    }
}

/// Values, sizes and offsets, and the types of functions, in both sets of headers.
#[test]
fn the_contract_holds_in_both_sets_of_headers() {
    for source in ["contract.c", "signatures.c"] {
        if let Some(gcc) = Compiler::native("gcc") {
            gcc.build(source, &[]);
            gcc.build(source, &["-fshort-wchar"]);
        }
        if let Some(gcc) = Compiler::mingw("x86_64-w64-mingw32-gcc") {
            gcc.build(source, &[]);
        }
    }
}

#[test]
fn every_function_has_its_signature_checked() {
    let signatures = include_str!("c/signatures.c");
    for name in functions() {
        assert!(
            signatures.contains(&format!("FUNCTION({name}, ")),
            "signatures.c lacks {name}"
        );
    }
}

/// A process may use Winsock and libc's sockets side by side.
#[test]
fn libc_sockets_stay_libcs() {
    let Some(gcc) = Compiler::native("gcc") else {
        return;
    };
    let neighbours = ["neighbour_sockets.c", "neighbour_types.c"]
        .map(|source| path_of(source).display().to_string());
    gcc.build("neighbour.c", &neighbours.each_ref().map(String::as_str))
        .run();
}

#[test]
fn the_archive_links_statically() {
    let Some(gcc) = Compiler::native("gcc") else {
        return;
    };
    let archive = Compiler {
        libraries: archive_libraries(),
        ..gcc
    };
    archive.build("libc_first.c", &[]).run();
}

/// Every function is exported: as it is called, or with the prefix if libc has a function of that name.
#[test]
fn exports_are_the_list_and_nothing_of_libcs() {
    let Some(gcc) = Compiler::native("gcc") else {
        return;
    };
    let libc = output(Command::new(gcc.program).arg("-print-file-name=libc.so.6"));
    let libc = exported_by(Path::new(libc.trim()));
    let library = exported_by(&LIBRARY.shared);

    let symbol = |name: String| {
        if libc.contains(&name) {
            format!("wharf_{name}")
        } else {
            name
        }
    };
    let beside_the_list = [
        "_beginthreadex",
        "_endthreadex",
        "CreateEventExW32",
        "CreateEventW32",
        "CreateMutexExW32",
        "CreateMutexW32",
        "CreateSemaphoreExW32",
        "CreateSemaphoreW32",
        "CreateWaitableTimerExW32",
        "CreateWaitableTimerW32",
        "CreateWindowExW32",
        "GetAddrInfoExW32",
        "GetAddrInfoW32",
        "GetHostNameW32",
        "GetNameInfoW32",
        "InetNtopW32",
        "InetPtonW32",
        "MessageBoxW32",
        "OpenEventW32",
        "OpenMutexW32",
        "OpenSemaphoreW32",
        "OpenWaitableTimerW32",
        "RegisterClassExW32",
        "RegisterClassW32",
        "SendMessageW32",
        "SetWindowLongPtrW32",
        "UnregisterClassW32",
        "WSAAddressToStringW32",
        "WSAConnectByNameW32",
        "WSADuplicateSocketW32",
        "WSAEnumNameSpaceProvidersExW32",
        "WSAEnumNameSpaceProvidersW32",
        "WSAEnumProtocolsW32",
        "WSAGetServiceClassInfoW32",
        "WSAGetServiceClassNameByClassIdW32",
        "WSAInstallServiceClassW32",
        "WSALookupServiceBeginW32",
        "WSALookupServiceNextW32",
        "WSASetServiceW32",
        "wharf_fd_to_socket",
        "wharf_handle_to_fd",
        "WSASocketW32",
        "WSAStringToAddressW32",
    ];
    let expected: BTreeSet<String> = functions()
        .chain(beside_the_list.map(String::from))
        .map(symbol)
        .collect();
    assert_eq!(library, expected);
    assert_eq!(
        library.intersection(&libc).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

/// The example is one file for both systems.
#[test]
fn the_example_builds_for_both_systems() {
    let source = "../../../../examples/cpp/iocp_echo_server.cpp";
    if let Some(gxx) = Compiler::native("g++") {
        gxx.build(source, &["-O2"]);
    }
    if let Some(gxx) = Compiler::mingw("x86_64-w64-mingw32-g++") {
        gxx.build(source, &["-O2", "-static"]);
    }
}

fn functions() -> impl Iterator<Item = String> {
    macro_rules! names {
        ($($module:path => { $($name:ident($parameters:literal),)* })*) => { [$($(stringify!($name)),*),*] };
    }
    wharf_sys::for_each_function!(names)
        .into_iter()
        .map(String::from)
}

struct Compiler {
    program: &'static str,
    headers: Vec<String>,
    libraries: Vec<String>,
}

struct Program(PathBuf);

impl Compiler {
    fn native(program: &'static str) -> Option<Compiler> {
        let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
        let directory = LIBRARY.shared.parent()?.display();
        installed(program).then(|| Compiler {
            program,
            headers: vec![format!("-I{include}")],
            libraries: vec![
                format!("-L{directory}"),
                format!("-Wl,-rpath,{directory}"),
                "-lwharf".into(),
                "-lpthread".into(),
            ],
        })
    }

    fn mingw(program: &'static str) -> Option<Compiler> {
        installed(program).then(|| Compiler {
            program,
            headers: vec!["-D_WIN32_WINNT=0x0A00".into()],
            libraries: vec!["-lws2_32".into(), "-lmswsock".into()],
        })
    }

    /// Compiles and links a source of `tests/c`, warnings being errors.
    fn build(&self, source: &str, flags: &[&str]) -> Program {
        let executable = executable_for(self.program, source, flags);
        output(
            Command::new(self.program)
                .args(["-Wall", "-Wextra", "-Werror"])
                .args(&self.headers)
                .args(flags)
                .arg(path_of(source))
                .arg("-o")
                .arg(&executable)
                .args(&self.libraries),
        );
        Program(executable)
    }
}

impl Program {
    /// Runs it; it must say that all went well.
    fn run(&self) {
        let said = output(Command::new("timeout").arg("60").arg(&self.0));
        assert_eq!(said.trim(), "ok", "{}", self.0.display());
    }
}

fn path_of(source: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/c")
        .join(source)
}

/// A file of its own for each combination: the tests run side by side.
fn executable_for(program: &str, source: &str, flags: &[&str]) -> PathBuf {
    let stem = |text: &str| {
        Path::new(text)
            .file_name()
            .unwrap_or_default()
            .display()
            .to_string()
    };
    let flags: String = flags.iter().map(|flag| stem(flag)).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-{}{flags}", stem(source)))
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(
        found || env::var_os("CI").is_none(),
        "{program} is not installed"
    );
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

struct Library {
    shared: PathBuf,
    archive: PathBuf,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let messages = output(Command::new(env!("CARGO")).args([
        "build",
        "--quiet",
        "--package=wharf-capi",
        "--message-format=json",
        &format!("--profile={profile}"),
    ]));
    let file = |name: &str| {
        let path = messages.split('"').find(|text| text.ends_with(name));
        PathBuf::from(path.unwrap_or_else(|| panic!("cargo built no {name}")))
    };
    Library {
        shared: file("/libwharf.so"),
        archive: file("/libwharf.a"),
    }
});

/// What `rustc --print native-static-libs` names for the archive.
fn archive_libraries() -> Vec<String> {
    let archive = LIBRARY.archive.display().to_string();
    [&archive, "-lgcc_s", "-lpthread", "-lm", "-ldl"]
        .map(String::from)
        .to_vec()
}

fn exported_by(library: &Path) -> BTreeSet<String> {
    let symbols = output(
        Command::new("nm")
            .args(["-D", "--defined-only", "--format=posix"])
            .arg(library),
    );
    let name = |line: &str| {
        line.split([' ', '@'])
            .next()
            .unwrap_or_default()
            .to_string()
    };
    symbols.lines().map(name).collect()
}

/// What the command printed; it must succeed.
fn output(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        status.success(),
        "{command:?}: {status}\n{}{}",
        text(&stdout),
        text(&stderr)
    );
    text(&stdout)
}
