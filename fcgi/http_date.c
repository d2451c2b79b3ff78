/* http_date.c: writing and reading HTTP's dates, without the C library's locale. */
#include "http_date.h"

#include <time.h>

#define SECONDS_PER_DAY 86400
#define FIRST_SECOND (-62167219200) /* 0000-01-01 */
#define LAST_SECOND 253402300799    /* 9999-12-31 23:59:59 */

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const long_days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

static void put_number(char *to, size_t digits, int n)
{
	while (digits--) {
		to[digits] = (char)('0' + n % 10);
		n /= 10;
	}
}

void http_date_format(int64_t seconds, char out[static HTTP_DATE_SIZE])
{
	struct tm tm;
	time_t t = seconds < FIRST_SECOND ? FIRST_SECOND : seconds > LAST_SECOND ? LAST_SECOND : seconds;
	(void)gmtime_r(&t, &tm);
	memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", HTTP_DATE_SIZE);
	memcpy(out, days[tm.tm_wday], 3);
	put_number(out + 5, 2, tm.tm_mday);
	memcpy(out + 8, months[tm.tm_mon], 3);
	put_number(out + 12, 4, tm.tm_year + 1900);
	put_number(out + 17, 2, tm.tm_hour);
	put_number(out + 20, 2, tm.tm_min);
	put_number(out + 23, 2, tm.tm_sec);
}

/* ---- reading ---- */

struct date {
	int year, month, day, hour, minute, second; /* month: 0 to 11 */
};

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01 in the Gregorian calendar, for years from 0 on. Years are counted from March on. */
static int64_t day_number(int year, int month, int day)
{
	int64_t y = month < 2 ? year - 1 : year;
	int64_t since_march = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
	int64_t leap_days = y < 0 ? -1 : y / 4 - y / 100 + y / 400;
	return y * 365 + leap_days + since_march - 719468;
}

static int64_t to_seconds(const struct date *d)
{
	return day_number(d->year, d->month, d->day) * SECONDS_PER_DAY + (int64_t)d->hour * 3600 +
	       (int64_t)d->minute * 60 + d->second;
}

/* A leap second (60) counts as the next minute's first. */
static bool in_range(const struct date *d)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int length = lengths[d->month] + (d->month == 1 && is_leap(d->year));
	return d->day >= 1 && d->day <= length && d->hour < 24 && d->minute < 60 && d->second <= 60;
}

static bool take(struct slice *s, const char *text)
{
	size_t n = strlen(text);
	if (s->len < n || memcmp(s->ptr, text, n) != 0)
		return false;
	*s = slice_make(s->ptr + n, s->len - n);
	return true;
}

static bool take_name(struct slice *s, const char *const *names, int count, int *index)
{
	for (*index = 0; *index < count; ++*index) {
		if (take(s, names[*index]))
			return true;
	}
	return false;
}

/* A number of exactly so many digits. */
static bool take_number(struct slice *s, size_t digits, int *n)
{
	if (s->len < digits)
		return false;
	*n = 0;
	for (size_t i = 0; i < digits; i++) {
		if (s->ptr[i] < '0' || s->ptr[i] > '9')
			return false;
		*n = *n * 10 + (s->ptr[i] - '0');
	}
	*s = slice_make(s->ptr + digits, s->len - digits);
	return true;
}

static bool take_month(struct slice *s, struct date *d)
{
	return take_name(s, months, 12, &d->month);
}

static bool take_time(struct slice *s, struct date *d)
{
	return take_number(s, 2, &d->hour) && take(s, ":") && take_number(s, 2, &d->minute) && take(s, ":") &&
	       take_number(s, 2, &d->second);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool parse_imf(struct slice s, struct date *d)
{
	int weekday;
	return take_name(&s, days, 7, &weekday) && take(&s, ", ") && take_number(&s, 2, &d->day) && take(&s, " ") &&
	       take_month(&s, d) && take(&s, " ") && take_number(&s, 4, &d->year) && take(&s, " ") &&
	       take_time(&s, d) && take(&s, " GMT") && s.len == 0;
}

/* The last year with these two digits that doesn't make the date lie more than 50 years ahead. */
static void choose_century(struct date *d)
{
	struct tm now;
	time_t t = time(NULL);
	(void)gmtime_r(&t, &now);
	const struct date limit = { now.tm_year + 1950, now.tm_mon, now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec };
	d->year += limit.year / 100 * 100;
	while (to_seconds(d) > to_seconds(&limit))
		d->year -= 100;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool parse_rfc850(struct slice s, struct date *d)
{
	int weekday;
	bool ok = take_name(&s, long_days, 7, &weekday) && take(&s, ", ") && take_number(&s, 2, &d->day) &&
		  take(&s, "-") && take_month(&s, d) && take(&s, "-") && take_number(&s, 2, &d->year) &&
		  take(&s, " ") && take_time(&s, d) && take(&s, " GMT") && s.len == 0;
	if (ok)
		choose_century(d);
	return ok;
}

/* Sun Nov  6 08:49:37 1994 */
static bool parse_asctime(struct slice s, struct date *d)
{
	int weekday;
	return take_name(&s, days, 7, &weekday) && take(&s, " ") && take_month(&s, d) && take(&s, " ") &&
	       take_number(&s, take(&s, " ") ? 1 : 2, &d->day) && take(&s, " ") && take_time(&s, d) && take(&s, " ") &&
	       take_number(&s, 4, &d->year) && s.len == 0;
}

bool http_date_parse(struct slice text, int64_t *seconds)
{
	struct date d;
	if ((!parse_imf(text, &d) && !parse_rfc850(text, &d) && !parse_asctime(text, &d)) || !in_range(&d))
		return false;
	*seconds = to_seconds(&d);
	return true;
}
