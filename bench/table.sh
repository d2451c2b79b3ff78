# table.sh: the figures that the cases collect, and the table that is made of them.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run sets these

declare -A figures=() limits=() skipped=()
figure() { figures[$1]+="$2 "; }
limit() { limits[$1]+="$2 "; }

median() { tr ' ' '\n' | grep . | sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# own_share CASE: the most of a core that our own load program took in it; - where none was measured.
own_share() {
	awk -v of="$1" '$1 == of && $2 + 0 > most { most = $2 } END { print most ? most : "-" }' "${dir-}/own" 2>/dev/null || echo -
}

# "Reached" looks at each part of "to reach": OPERATOR NUMBER alone is about the ratio, with a unit about the figure.
print_row() {
	local row=$1 of=$2 what=$3 unit=$4 limit_unit=$5 reach=$6 f l
	if [[ ${skipped[$row]-} ]]; then
		printf '%-36s skipped: %s\n' "$what" "${skipped[$row]}"
		return
	fi
	f=$(median <<<"${figures[$row]}")
	l=${limit_unit#aim } l=${l%% *}
	if [[ $limit_unit == aim* ]]; then
		limit_unit="${limit_unit#aim * } (aim)"
	else
		l=$(median <<<"${limits[$row]}")
	fi
	awk -v what="$what" -v f="$f" -v unit="$unit" -v l="$l" -v limit_unit="$limit_unit" -v reach="$reach" -v own="$(own_share "$of")" '
	function digits(v) { return v < 1 ? 3 : v < 100 ? 2 : 0 }
	function reached(part, ratio,   word, v) {
		split(part, word, " ")
		v = word[3] == "" ? ratio : f
		return word[1] == ">=" ? v >= word[2] : v <= word[2]
	}
	BEGIN {
		ratio = l > 0 ? f / l : 0
		count = split(reach, part, ", ")
		verdict = count ? "yes" : ""
		for (i = 1; i <= count; i++) if (!reached(part[i], ratio)) verdict = "NO"
		printf "%-36s %9.*f %-13s %9.*f %-38s %6.2f  %4s  %-36s %s\n", what, digits(f), f, unit, digits(l), l, limit_unit, ratio, own, reach, verdict
	}'
}

print_table() {
	local line row of what unit limit_unit reach
	printf '\n%-36s %-23s %-48s %6s  %4s  %-36s %s\n' case figure limit ratio load 'to reach' reached
	for line in "${rows[@]}"; do
		IFS='|' read -r row of what unit limit_unit reach <<<"$line"
		[[ " ${wanted[*]} " == *" $of "* ]] && print_row "$row" "$of" "$what" "$unit" "$limit_unit" "$reach"
	done
	printf '\nmedians of %s; load: the share of one core that the load program took, at most; %s CPUs, load average %s (%s before); uploads by mode %s\n' \
		"$runs" "$(nproc)" "$(cut -d ' ' -f 1-3 /proc/loadavg)" "$load_before" "${UPLOAD_MODE:-file}"
	warn_of_load
}

# Above a third of a core the load program takes from the server what is measured.
warn_of_load() {
	local name share
	for name in "${wanted[@]}"; do
		share=$(own_share "$name")
		[[ $share == - ]] || awk -v name="$name" -v share="$share" \
			'BEGIN { if (share > 0.33) printf "warning: %s: the load program took %.2f of a core, more than a third\n", name, share }'
	done
}
