# craft-cloud rekey: another ENCRYPTION_KEY, all credentials, also after it was interrupted.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 30

old=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
new=ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100
# Under the old key: {"accessToken":"gho_x"}
sealed=CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6
count=1201

# rekey CURRENT [PREVIOUS]: as the daemons' role
rekey() {
	out=$(DATABASE_URL="dbname=$TEST_DB user=craft_daemon" ENCRYPTION_KEY=$1 ENCRYPTION_KEY_PREVIOUS=${2-$1} "$CRAFT_CLOUD" rekey 2>&1)
	code=$?
}
# Each text with its place.
texts() { sql "$TEST_DB" "select sealed || ' ' || w.slug || ' ' || repo_id from app.credential c join app.workspace w on w.id = c.workspace_id order by 1"; }

# opens KEY: how many of the texts on stdin, with their places, are that token sealed with the key
opens() {
	# shellcheck disable=SC2016 # JavaScript
	node -e '
		const { createDecipheriv } = require("node:crypto");
		const field = (text) => [Buffer.from(Uint32Array.of(text.length).buffer).reverse(), Buffer.from(text)];
		const open = (line) => {
			const [text, workspace, item = ""] = line.split(" ");
			const purpose = item ? "github credential" : "api key";
			const bound = text.startsWith("2:");
			const raw = Buffer.from(bound ? text.slice(2) : text, "base64");
			const d = createDecipheriv("aes-256-gcm", Buffer.from(process.argv[1], "hex"), raw.subarray(0, 12));
			try {
				if (bound) d.setAAD(Buffer.concat([purpose, workspace, item].flatMap(field)));
				d.setAuthTag(raw.subarray(-16));
				return d.update(raw.subarray(12, -16), undefined, "utf8") + d.final("utf8");
			} catch {}
		};
		const texts = require("node:fs").readFileSync(0, "utf8").trim().split("\n");
		console.log(texts.filter((text) => open(text) === `{"accessToken":"gho_x"}`).length);
	' "$1"
}

counts() { printf 'already +%s\nre-encrypted +%s\nneither +%s' "$@"; }

out=$(DATABASE_URL="dbname=$TEST_DB" "$CRAFT_CLOUD" rekey 2>&1)
like "$?:$out" "^2:.*ENCRYPTION_KEY is not set" "it needs the key"
out=$(DATABASE_URL="dbname=$TEST_DB" ENCRYPTION_KEY=${old}0 "$CRAFT_CLOUD" rekey 2>&1)
like "$?:$out" "^2:.*ENCRYPTION_KEY must be 64 hex digits" "which is 64 hex digits"
rekey "$new" "$old"
like "$code:$out" "^0:$(counts 0 0 0)$" "without credentials there is nothing to do"

sql "$TEST_DB" "select count(api.credential_put('w' || i % 3, 'Octo/r' || i, 'https://github.com/octo/r' || i, 'main', '$sealed', 'u', i, 'repo', 1))
	from generate_series(1, $count) i" >/dev/null
is "$(texts | opens "$old")" "$count" "$count credentials, under the old key"
rekey "$old"
like "$code:$out" "^0:$(counts 0 $count 0)$" "the same key: all are bound to their places"
is "$(texts | grep -c ^2:)" "$count" "each of them"
is "$(texts | opens "$old")" "$count" "under the same key"
before=$(texts)
rekey "$old"
like "$code:$out" "^0:$(counts $count 0 0)$" "once more: nothing changes"
is "$(texts)" "$before" "not a byte of it"
sql "$TEST_DB" "update app.credential c set sealed = o.sealed from app.credential o where c.repo_id = 'octo/r3' and o.repo_id = 'octo/r4'"
rekey "$old"
like "$code:$out" "^1:.*neither w0 Octo/r3"$'\n'".*$(counts $((count - 1)) 0 1)" "one that was moved to another row opens nowhere else"
sql "$TEST_DB" "update app.credential set sealed = '$sealed' where repo_id = 'octo/r3'"

# Stops at one.
sql "$TEST_DB" "create function app.stop() returns trigger language plpgsql as 'begin raise exception ''no more''; end';
	create trigger stop before update on app.credential for each row when (old.repo_key = 'Octo/r700') execute function app.stop()"
rekey "$new" "$old"
like "$code:$out" "^1:.*no more.*run it again" "a failure ends it"
done_before=$(texts | opens "$new")
ok $((done_before == 0 || done_before == count)) "what was done stays done ($done_before of $count)"
is "$(texts | opens "$old")" $((count - done_before)) "and nothing is lost"
sql "$TEST_DB" "drop trigger stop on app.credential"
rekey "$new" "$old"
like "$code:$out" "^0:$(counts "$done_before" $((count - done_before)) 0)$" "the next run does the rest"
is "$(texts | opens "$new")" "$count" "all open with the new key"
is "$(texts | sort -u | wc -l)" "$count" "each under an IV of its own"
rekey "$new" "$old"
like "$code:$out" "^0:$(counts $count 0 0)$" "once more: nothing to do"

# Others are faster.
sql "$TEST_DB" "create or replace function app.stop() returns trigger language plpgsql as 'begin return null; end';
	create trigger stop before update on app.credential for each row when (old.repo_key = 'Octo/r9') execute function app.stop()"
rekey "$old" "$new"
like "$code:$out" "^0:$(counts 0 $((count - 1)) 0)"$'\n'"changed meanwhile +1$" "one that changed meanwhile is left alone"
is "$(texts | opens "$new")" 1 "as it is"
sql "$TEST_DB" "drop trigger stop on app.credential; drop function app.stop()"

# What opens with neither.
sql "$TEST_DB" "update app.credential set sealed = case repo_key when 'Octo/r1' then 'junk' else 'A' || substr(sealed, 2) end where repo_key in ('Octo/r1', 'Octo/r2')" >/dev/null
rekey "$old" "$new"
like "$code:$out" "^1:.*$(counts $((count - 3)) 1 2).*neither key" "two that open with neither key"
like "$out" "neither w1 Octo/r1"$'\n' "by name"
like "$out" "neither w2 Octo/r2"$'\n' "both"
is "$(texts | opens "$old")" $((count - 2)) "the others are done"
out=$(DATABASE_URL="dbname=$TEST_DB user=craft_daemon" ENCRYPTION_KEY=$new "$CRAFT_CLOUD" rekey 2>&1)
like "$?:$out" "^1:.*$(counts 0 0 $count)"$'\n'".*ENCRYPTION_KEY_PREVIOUS is not set" "without the previous key it only says how many don't open"
is "$(texts | opens "$old")" $((count - 2)) "and changes nothing"
is "$(grep -ciE 'gho_|accessToken|'"$old|$new" <<<"$out")" 0 "neither tokens nor keys are printed"

# Workspaces' keys, those that were revoked apart.
sql "$TEST_DB" "delete from app.credential; select api.key_add(lpad(to_hex(i), 16, '0'), 'w', 'k' || i, sha256(i::text::bytea), '$sealed', false, null, null)
	from generate_series(1, 99) i; select api.key_revoke('w', 'k7'); update app.api_key set sealed = 'junk' where name = 'k8'" >/dev/null
rekey "$new" "$old"
like "$code:$out" "^1:.*neither key w k8.*$(counts 0 97 1)" "keys are re-encrypted too, but one that opens with neither"
is "$(sql "$TEST_DB" "select sealed || ' ' || workspace from app.api_key where sealed is not null" | opens "$new")" 97 "under the new key"
rekey "$new" "$old"
like "$code:$out" "^1:.*$(counts 97 0 1)" "once"
is "$(sql "$TEST_DB" "select count(*) from app.api_key where sealed is null and revoked_at is null")" 0 "none is lost"
