/* sealed_form.h: has a text the form of something that a client encrypted (PROTOCOL section 7)? */
#ifndef CRAFT_BRIDGE_SEALED_FORM_H
#define CRAFT_BRIDGE_SEALED_FORM_H

#include "lib/buf.h"

/* What was encrypted is base64 of more bytes than an empty text would have, and looks random. A key in plain has not
 * that form (its dashes are of another alphabet), nor has one that was merely encoded: base64 of it, of it as UTF-16,
 * with a byte order mark or some bytes more, or hexadecimal digits. What can't be told by its form is a plain key of
 * letters and digits whose length is a multiple of four: it is like the base64 of a shorter one that was encrypted. */
bool sealed_form(struct slice text);

#endif
