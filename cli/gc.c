/* gc.c: removes blobs that no file names any more, and what uploads left behind. */
#include <inttypes.h>
#include <stdio.h>

#include "blob_dir.h"
#include "cli.h"
#include "sweep.h"

static void print_count(const char *title, const char *verb, const struct sweep_count *c)
{
	(void)printf("%-18s %s %" PRId64 ", %" PRId64 " bytes\n", title, verb, c->files, c->bytes);
}

static void print_json(const struct sweep_result *r, bool dry_run)
{
	static const char format[] =
		"{\"dryRun\":%s,\"deleted\":{\"files\":%" PRId64 ",\"bytes\":%" PRId64
		"},\"strays\":{\"files\":%" PRId64 ",\"bytes\":%" PRId64 "},\"orphans\":{\"files\":%" PRId64
		",\"bytes\":%" PRId64 "},\"foreign\":%" PRId64 "}\n";
	(void)printf(format, dry_run ? "true" : "false", r->gone.files, r->gone.bytes, r->strays.files, r->strays.bytes,
		     r->orphans.files, r->orphans.bytes, r->foreign);
}

static void print_result(const struct sweep_result *r, bool dry_run)
{
	const char *verb = dry_run ? "would remove" : "removed";
	print_count("deleted blobs", verb, &r->gone);
	print_count("stray uploads", verb, &r->strays);
	print_count("orphans", verb, &r->orphans);
	if (r->foreign)
		(void)printf("%-18s left alone %" PRId64 "\n", "foreign things", r->foreign);
}

enum cli_exit cli_gc(const struct conf *conf, const struct cli_options *options)
{
	struct sweep_options sweep = SWEEP_DEFAULTS;
	struct sweep_result result;
	autobuf error = { 0 };
	autoblobs blobs = BLOBS_NONE;
	if (!blob_dir_open(conf, !options->dry_run, &blobs))
		return CLI_FAILED;
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	sweep.orphan_age = options->orphan_age;
	sweep.dry_run = options->dry_run;
	bool ok = sweep_run(&blobs, conn, &sweep, &result, &error);
	if (options->json)
		print_json(&result, options->dry_run);
	else
		print_result(&result, options->dry_run);
	if (ok)
		return CLI_OK;
	blob_dir_explain(conf, &error);
	return cli_fail("%s", buf_cstr(&error));
}
