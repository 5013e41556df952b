#ifndef SHOP_PAY_H
#define SHOP_PAY_H

#include "server.h"

/* POST /pay/{order}, with the card's number in the header X-Card. */
void pay(void *data, const struct request *request, struct reply *reply);

#endif
