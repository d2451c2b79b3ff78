/* counts.c: the table of metrics, and their text. */
#include "counts.h"

#include "sandbox.h"
#include "store.h"

enum {
	M_SANDBOXES,
	M_SANDBOXES_MAX,
	M_BEGUN,
	M_ENDED,
	M_CLONE_SECONDS,
	M_CLONE_FAILURES,
	M_JOBS,
	M_JOBS_NOW,
	M_JOB_SECONDS,
	M_MESSAGES,
	M_MESSAGE_BYTES,
	M_QUEUE_BYTES,
	M_EGRESS,
	M_STORE_QUEUE,
	M_DRAINING
};

/* clang-format off */
static const struct metric metrics[] = {
	[M_SANDBOXES] = { "craft_sandbox_sandboxes", METRIC_GAUGE, "Sandboxes on this host by status; expired: being removed" },
	[M_SANDBOXES_MAX] = { "craft_sandbox_sandboxes_max", METRIC_GAUGE, "SANDBOX_MAX" },
	[M_BEGUN] = { "craft_sandbox_begun_total", METRIC_COUNTER, "Sandboxes that were made, or adopted from a daemon before" },
	[M_ENDED] = { "craft_sandbox_ended_total", METRIC_COUNTER, "Sandboxes that have ended, by reason" },
	[M_CLONE_SECONDS] = { "craft_sandbox_clone_seconds", METRIC_HISTOGRAM, "How long clones took, failed ones too" },
	[M_CLONE_FAILURES] = { "craft_sandbox_clone_failures_total", METRIC_COUNTER, "Clones that failed" },
	[M_JOBS] = { "craft_sandbox_jobs_total", METRIC_COUNTER, "Requests of clients that have ended, by kind and outcome" },
	[M_JOBS_NOW] = { "craft_sandbox_jobs", METRIC_GAUGE, "Requests of clients that run, or wait for the clone" },
	[M_JOB_SECONDS] = { "craft_sandbox_job_seconds", METRIC_HISTOGRAM, "How long requests ran, from their start in the sandbox" },
	[M_MESSAGES] = { "craft_sandbox_messages_total", METRIC_COUNTER, "Messages to clients" },
	[M_MESSAGE_BYTES] = { "craft_sandbox_message_bytes_total", METRIC_COUNTER, "Bytes of them" },
	[M_QUEUE_BYTES] = { "craft_sandbox_message_queue_bytes", METRIC_GAUGE, "Bytes of messages that are not stored yet" },
	[M_EGRESS] = { "craft_sandbox_egress_refused_total", METRIC_COUNTER, "Attempts to reach what sandboxes may not, as the gateways tell them" },
	[M_STORE_QUEUE] = { "craft_sandbox_db_queue", METRIC_GAUGE, "Statements that the database hasn't answered" },
	[M_DRAINING] = { "craft_sandbox_draining", METRIC_GAUGE, "1 from SIGTERM on" },
};
/* clang-format on */

static const char *const outcomes[COUNTS_OUTCOMES] = { "success", "failure", "error",	"cancelled", "timeout",
						       "oom",	  "host",    "expired", "other" };
static const char *const reasons[COUNTS_REASONS] = { "user",  "idle",  "time", "oom",  "disk",
						     "crash", "clone", "host", "other" };
static const char *const kinds[COUNTS_KINDS] = {
	[JOB_EXECUTE] = "execute", [JOB_TOOL] = "tool", [JOB_CANCEL] = "cancel", [JOB_DIFF] = "diff"
};

static size_t place_of(const char *const *names, size_t count, const char *name)
{
	size_t i = 0;
	while (i < count - 1 && strcmp(names[i], name) != 0)
		i++;
	return i;
}

void counts_sandbox_end(struct counts *c, const char *reason)
{
	counter_add(&c->ended[place_of(reasons, COUNTS_REASONS, reason)], 1);
}

void counts_clone(struct counts *c, bool ok, uint64_t ms)
{
	histogram_add(&c->clone_seconds, &metrics_long, ms);
	counter_add(&c->failed_clones, !ok);
}

void counts_job(struct counts *c, enum job_kind kind, const char *outcome, uint64_t ms)
{
	counter_add(&c->jobs[kind][place_of(outcomes, COUNTS_OUTCOMES, outcome)], 1);
	if (ms)
		histogram_add(&c->job_seconds[kind], &metrics_long, ms);
}

/* ---- telling ---- */

static uint64_t count_status(const struct daemon *d, const char *status)
{
	const struct sandbox *sb;
	uint64_t n = 0;
	TAILQ_FOREACH(sb, &d->sandboxes, link)
	{
		n += strcmp(sandbox_status(sb), status) == 0;
	}
	return n;
}

static void print_sandboxes(const struct daemon *d, struct buf *out)
{
	static const char *const statuses[] = { "provisioning", "cloning", "ready", "idle", "expired" };
	const struct counts *c = d->counts;
	metrics_begin(out, &metrics[M_SANDBOXES]);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		metrics_labelled(out, &metrics[M_SANDBOXES], "status", statuses[i], count_status(d, statuses[i]));
	metrics_single(out, &metrics[M_SANDBOXES_MAX], (uint64_t)d->conf.sandbox_max);
	metrics_begin(out, &metrics[M_BEGUN]);
	metrics_labelled(out, &metrics[M_BEGUN], "how", "made", counter_read(&c->made));
	metrics_labelled(out, &metrics[M_BEGUN], "how", "adopted", counter_read(&c->adopted));
	metrics_begin(out, &metrics[M_ENDED]);
	for (size_t i = 0; i < COUNTS_REASONS; i++)
		metrics_labelled(out, &metrics[M_ENDED], "reason", reasons[i], counter_read(&c->ended[i]));
	metrics_single_histogram(out, &metrics[M_CLONE_SECONDS], &metrics_long, &c->clone_seconds);
	metrics_single(out, &metrics[M_CLONE_FAILURES], counter_read(&c->failed_clones));
}

static void print_ended_jobs(const struct counts *c, struct buf *out)
{
	metrics_begin(out, &metrics[M_JOBS]);
	for (size_t kind = 0; kind < COUNTS_KINDS; kind++) {
		for (size_t i = 0; i < COUNTS_OUTCOMES; i++) {
			autobuf labels = { 0 };
			metrics_label(&labels, "kind", slice_of(kinds[kind]));
			metrics_label(&labels, "outcome", slice_of(outcomes[i]));
			metrics_value(out, &metrics[M_JOBS], &labels, counter_read(&c->jobs[kind][i]));
		}
	}
	metrics_begin(out, &metrics[M_JOB_SECONDS]);
	for (size_t kind = 0; kind < COUNTS_KINDS; kind++)
		metrics_labelled_histogram(out, &metrics[M_JOB_SECONDS], "kind", kinds[kind], &metrics_long,
					   &c->job_seconds[kind]);
}

static void print_work(const struct daemon *d, struct buf *out)
{
	const struct sandbox *sb;
	const struct job *job;
	uint64_t now[COUNTS_KINDS] = { 0 }, queued = 0;
	TAILQ_FOREACH(sb, &d->sandboxes, link)
	{
		queued += stream_queued(&sb->stream);
		TAILQ_FOREACH(job, &sb->jobs, link)
		{
			now[job->kind] += !job->ended;
		}
	}
	metrics_begin(out, &metrics[M_JOBS_NOW]);
	for (size_t kind = 0; kind < COUNTS_KINDS; kind++)
		metrics_labelled(out, &metrics[M_JOBS_NOW], "kind", kinds[kind], now[kind]);
	metrics_single(out, &metrics[M_MESSAGES], counter_read(&d->counts->messages));
	metrics_single(out, &metrics[M_MESSAGE_BYTES], counter_read(&d->counts->message_bytes));
	metrics_single(out, &metrics[M_QUEUE_BYTES], queued);
	metrics_single(out, &metrics[M_EGRESS], counter_read(&d->counts->egress_refused));
}

void counts_print(const struct daemon *d, struct buf *out)
{
	print_sandboxes(d, out);
	print_ended_jobs(d->counts, out);
	print_work(d, out);
	metrics_begin(out, &metrics[M_STORE_QUEUE]);
	metrics_labelled(out, &metrics[M_STORE_QUEUE], "connection", "state", store_waiting(d->state));
	metrics_labelled(out, &metrics[M_STORE_QUEUE], "connection", "messages", store_waiting(d->streams));
	metrics_single(out, &metrics[M_DRAINING], d->draining);
}
