//! Every function has exactly the type Microsoft's metadata gives it: this file does not compile otherwise.

macro_rules! compare {
    ($($module:path => { $($name:ident($parameters:tt),)* })*) => {
        $($(const _: () = {
            use $module as theirs;
            compare!(@ $parameters theirs::$name, super::$name);
        };)*)*
    };
    (@ 0 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; ()) };
    (@ 1 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_)) };
    (@ 2 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _)) };
    (@ 3 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _)) };
    (@ 4 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _)) };
    (@ 5 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _)) };
    (@ 6 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _, _)) };
    (@ 7 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _, _, _)) };
    (@ 8 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _, _, _, _)) };
    (@ 9 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _, _, _, _, _)) };
    (@ 10 $theirs:path, $ours:path) => { compare!(@ $theirs, $ours; (_, _, _, _, _, _, _, _, _, _)) };
    (@ 12 $theirs:path, $ours:path) => {
        compare!(@ $theirs, $ours; (_, _, _, _, _, _, _, _, _, _, _, _));
    };
    (@ $theirs:path, $ours:path; ($($parameter:tt),*)) => {
        #[allow(dead_code, unused_assignments, unused_variables)]
        fn same_type() {
            let mut function: unsafe extern "system" fn($($parameter),*) -> _ = $theirs;
            function = $ours;
        }
    };
}
crate::for_each_function!(compare);
