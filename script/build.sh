# build.sh: building the programs for script/up and script/test.
# shellcheck shell=bash

# build_tree DIR [CONFIGURE-FLAG...]: configures when DIR is new or the flags differ, and makes; one at a
# time per DIR. What the tools say goes to DIR/build.log and is shown only when something fails.
build_tree() {
	local dir=$1 flags log
	shift
	flags=$*
	mkdir -p "$dir" || die "can't make $dir"
	log=$dir/build.log
	(
		flock 8 || exit 1
		umask 022
		build_steps "$dir" "$flags" 9>&-
	) 8>"$dir/.lock" >>"$log" 2>&1 && return
	tail -n 40 "$log" >&2
	die "the build failed; all of it is in $log"
}

build_steps() {
	local dir=$1 flags=$2
	: >"$dir/build.log"
	# Two build directories may find configure missing at once.
	if ! configure_is_current; then
		(flock 7 && { configure_is_current || (cd "$ROOT" && autoreconf -fi); }) 7<"$ROOT/configure.ac" || return 1
	fi
	if [[ ! -x $dir/config.status || "$(cat "$dir/.flags" 2>/dev/null)" != "$flags" ]]; then
		# shellcheck disable=SC2086 # the flags are words
		(cd "$dir" && "$ROOT/configure" $flags) || return 1
		printf '%s' "$flags" >"$dir/.flags"
	fi
	make -C "$dir" -j"$(nproc)" all
}

configure_is_current() {
	[[ -x $ROOT/configure && -e $ROOT/Makefile.in && ! $ROOT/configure.ac -nt $ROOT/configure ]]
}
