#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# write_share.sh PROGRAM DIR: what belongs in the folder share/ of an installation: a manual page for each command, made
# by help2man from what the program says, and completions for bash, zsh and fish.
set -eu

program=$1
share=$2
include=$(dirname "$0")/../packaging/tightrope.h2m
rm -rf "$share"
mkdir -p "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
  "$share/fish/vendor_completions.d"
"$program" completion bash > "$share/bash-completion/completions/tightrope"
"$program" completion zsh > "$share/zsh/vendor-completions/_tightrope"
"$program" completion fish > "$share/fish/vendor_completions.d/tightrope.fish"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$("$program" --version | sed 's/.* //')

# page NAME PURPOSE [OPTION...]: the page of what $work/help says
page() {
  name=$1
  purpose=$2
  shift 2
  printf '#!/bin/sh\ncase $1 in --version) echo %s %s ;; *) cat "%s" ;; esac\n' \
    "$name" "$version" "$work/help" > "$work/$name"
  chmod +x "$work/$name"
  help2man --no-info --name "$purpose" --output "$share/man/man1/$name.1" "$@" "$work/$name"
  gzip -9n "$share/man/man1/$name.1"
}

"$program" --help > "$work/all"
commands=$(sed -n 's/^Usage: tightrope \([a-z]*\) .*/\1/p' "$work/all")
for command in $commands; do
  "$program" "$command" --help > "$work/help"
  page "tightrope-$command" "$(head -1 "$work/help" | sed 's/./\l&/')"
done

# The overview: what --help says before the first command and after the last one that has a page of its own; the indented
# lines are examples.
overview=$(sed '/^tightrope [a-z]*$/,$d' "$work/all")
{
  echo "$overview" | sed '/^ /d'
  sed -n '/^tightrope resume /,$p' "$work/all" | sed 's/^tightrope .*/&:/'
} > "$work/help"
{
  printf '[examples]\n.nf\n'
  echo "$overview" | grep '^ ' | sed 's/\\$/\\e/; s/^/\\\&/; s/-/\\-/g'
  printf '.fi\n\n'
  cat "$include"
  echo "$commands" | sed 's/.*/\\fBtightrope\\-&\\fR(1)/; $!s/$/,/'
} > "$work/include"
page tightrope "quantize models to 8 bits and keep their accuracy" --include "$work/include"
