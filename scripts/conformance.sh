#!/usr/bin/env bash
# Scenarios of the official MCP conformance suite against a host of its own. Named here are those that
# need only what this host has; the others need the suite's own tools, prompts and resources.
# `conformance.sh all` shows how every scenario fares, and never fails.
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${CONFORMANCE_INSIDE-}" ]; then
    PATH="$(protocol/tools.sh):$PATH"
    # The suite asks faster than any model does.
    export PATH CONFORMANCE_INSIDE=1 MCPBOX_MCP_REQUESTS_PER_MINUTE=1000000
    exec ./with-host.sh ./conformance.sh "$@"
fi

legacy=(server-initialize server-session-lifecycle ping tools-list dns-rebinding-protection)
modern=(server-stateless tools-list caching dns-rebinding-protection http-header-validation)
show_all=
if [ "${1-}" = all ]; then
    show_all=yes
    mapfile -t legacy < <(conformance list --server 2>&1 | sed -n 's/^  - \([^ ]*\) \[.*2025-11-25.*/\1/p')
    mapfile -t modern < <(conformance list --server 2>&1 | sed -n 's/^  - \([^ ]*\) \[.*2026-07-28.*/\1/p')
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
passed=0
failed=0
run() {
    local revision=$1 scenario counts
    shift
    for scenario in "$@"; do
        # A scenario that the suite skips at a revision has no counts, and does not pass here.
        if conformance server --url "$MCPBOX_URL/mcp" --spec-version "$revision" --scenario "$scenario" \
            -o "$results" >"$results/output" 2>&1 && counts=$(grep '^Passed: ' "$results/output"); then
            echo "ok $revision $scenario (${counts,})"
            passed=$((passed + 1))
        else
            [ "$show_all" ] || cat "$results/output"
            echo "FAILED $revision $scenario"
            failed=$((failed + 1))
        fi
    done
}
run 2025-11-25 "${legacy[@]}"
run 2026-07-28 "${modern[@]}"
echo "Scenarios of the MCP conformance suite: $passed passed, $failed failed"
[ "$failed" = 0 ] || [ "$show_all" ]
