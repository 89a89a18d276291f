# Named steps, each with a time limit, a log of its own and a line in the summary. Sourced by `run` and `long`.
#
#   step NAME SECONDS COMMAND [ARGUMENT…]    runs a command or function; a failure is shown and noted
#   needed NAME SECONDS COMMAND [ARGUMENT…]  the same, but without it the rest makes no sense
#   summary                                  prints the table; fails if a step failed
#
# A step that hangs is ended by `timeout`, and its children with it. A line `NOTE: …` in a log is shown in any case; of a
# failure the tests that failed and their panics come first.

target=${CARGO_TARGET_DIR:-$PWD/target}
logs=$target/ci-logs
export target CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never TERM=dumb DEBIAN_FRONTEND=noninteractive
mkdir -p "$logs"

chosen=("$@") # the steps named on the command line; none: all
table=()
failures=0
started=$SECONDS

is_chosen() {
    [[ ${#chosen[@]} -eq 0 || " ${chosen[*]} " == *" $1 "* ]]
}

step() {
    local name=$1 limit=$2 log=$logs/$1.log begun=$SECONDS status=0 verdict=ok
    shift 2
    is_chosen "$name" || return 0
    printf '== %s (%s)\n' "$name" "$*"
    declare -fx $(compgen -A function)
    timeout --kill-after=15 "$limit" bash -euo pipefail -c '"$@"' step "$@" >"$log" 2>&1 </dev/null || status=$?
    case $status in
    0) ;;
    124 | 137) verdict="FAILED (ended after $limit s)" ;;
    *) verdict="FAILED (status $status)" ;;
    esac
    grep '^NOTE: ' "$log" || true
    if [[ $status -ne 0 ]]; then
        failures=$((failures + 1))
        printf -- '-- %s %s\n' "$name" "$verdict"
        explain "$log"
    fi
    printf '   %s, %d s\n' "$verdict" $((SECONDS - begun))
    table+=("$(printf '%-14s %6d s   %s' "$name" $((SECONDS - begun)) "$verdict")")
}

# What a reader of a failure wants first, since whoever shows this output may cut it: which tests failed, then what
# each of them said (without backtraces; those are in the log), and only then the end of the log.
explain() {
    local log=$1 telling='^test .* FAILED|^error(\[|:)|panicked at|hangs; ending|has been running for over|Sanitizer|^ERROR'
    grep -E "$telling" "$log" | head -n 40 || true
    awk '/^---- .* stdout ----$/ { shown = 1 } /^(stack backtrace|failures):$/ { shown = 0 } shown' "$log" | head -n 200
    printf -- '-- the end of %s:\n' "$log"
    tail -n 30 "$log"
}

needed() {
    local before=$failures
    step "$@"
    if [[ $failures -gt $before ]]; then
        summary
        exit 1
    fi
}

summary() {
    printf '\n'
    printf '%s\n' "${table[@]}"
    if [[ $failures -gt 0 ]]; then
        printf 'FAILED: %d of %d steps, after %d s\n' "$failures" "${#table[@]}" $((SECONDS - started))
        return 1
    fi
    printf 'PASSED: all %d steps, in %d s\n' "${#table[@]}" $((SECONDS - started))
}

# Installs the Debian packages that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [[ ${#missing[@]} -eq 0 ]] && return
    apt-get -o Acquire::Retries=3 update
    apt-get -o Acquire::Retries=3 install --yes --no-install-recommends "${missing[@]}"
}
