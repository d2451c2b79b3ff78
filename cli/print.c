/* print.c: printing text that clients chose. */
#include <stdio.h>

#include "cli.h"

void cli_print_text(const char *text, int width)
{
	int columns = 0;
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		/* U+0080..U+009F are control characters too */
		bool c1 = c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] <= 0x9f;
		if (c1)
			p++;
		(void)putchar(c < 0x20 || c == 0x7f || c1 ? '?' : c);
		columns += (c & 0xc0) != 0x80;
	}
	(void)printf("%*s", width > columns ? width - columns : 0, "");
}
