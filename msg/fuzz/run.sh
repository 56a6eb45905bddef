#!/usr/bin/env bash
# msg/fuzz/run.sh [SECONDS [TARGET…]]: builds the fuzz targets and runs each for SECONDS (60).
# A stable toolchain will do: cargo-fuzz's flags are let through by RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(definitions view validate round_trip)
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
export RUSTC_BOOTSTRAP=1
# Real definitions to begin with; the first byte chooses the sort of type.
mkdir -p corpus/definitions
for text in ../benches/definitions/*.txt ../../tests/interfaces/*/msg/*; do
  { printf '\0'; cat "$text"; } >"corpus/definitions/seed-$(basename "$text")"
done
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  echo "== $target, $seconds s"
  cargo fuzz run "$target" "corpus/$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -max_len=4096 -print_final_stats=1 2>&1 |
    grep -E '^(stat::number|stat::average|SUMMARY|thread|assertion)|panicked|Test unit written|DONE|cov:' | tail -8
done
