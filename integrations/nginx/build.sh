#!/bin/bash
# build.sh [BUILD]: builds the module for Debian's own nginx into BUILD/integrations/nginx/, from the headers of nginx-dev
# and the libtrackway.so in BUILD. BUILD: default $TRACKWAY_BUILD, then build/. Prints the module's path. Does nothing when
# it is newer than what it is made of. Exit code 77 when nginx-dev or a library it needs is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:-${TRACKWAY_BUILD:-$root/build}}" && pwd)
source=/usr/share/nginx/src
out=$build/integrations/nginx
module=$out/ngx_http_trackway_module.so

[ -f $source/conf_flags ] || { echo 'nginx-dev is not installed' >&2; exit 77; }
[ -f /usr/include/pcre2.h ] || { echo 'libpcre2-dev is not installed' >&2; exit 77; }
[ -e "$build/libtrackway.so" ] || { echo "$build/libtrackway.so is missing; run make" >&2; exit 1; }

mkdir -p "$out"
exec 9>"$out/lock" # two at once wait for each other
flock 9

# Which nginx it is for belongs to what it is made of: a module is refused by any other version.
made_of="$root $(dpkg-query -W -f='${Version}' nginx-dev 2>/dev/null) ${CC:-cc}"
if [ -f "$module" ] && [ "$made_of" = "$(cat "$out/made_of" 2>/dev/null)" ] &&
   [ -z "$(find -L "$here" "$root/include" "$build/libtrackway.so.0" -type f -newer "$module" | head -n 1)" ]; then
    echo "$module"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r $source/. "$work/"
cd "$work"
# shellcheck disable=SC1091
. ./conf_flags
# The library's place is written into the module, as it is for programs in the build folder. An installed one needs none.
export TRACKWAY_INCLUDE=$root/include TRACKWAY_LIBS="-L$build -Wl,-rpath,$build -ltrackway"
if ! { ./configure "${NGX_CONF_FLAGS[@]}" --with-cc="${CC:-cc}" --with-cc-opt="-O2 -fno-plt" --add-dynamic-module="$here" &&
       make -f objs/Makefile modules; } >"$out/log" 2>&1; then
    tail -n 40 "$out/log" >&2
    exit 1
fi
cp objs/ngx_http_trackway_module.so "$module.new"
mv "$module.new" "$module" # in one step: a running nginx keeps what it has mapped
printf '%s' "$made_of" >"$out/made_of"
echo "$module"
