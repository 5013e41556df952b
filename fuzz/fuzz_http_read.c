/* What is whole at some length was not whole, or wrong, at none before; a body lies in the bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[8192];
    struct tw__http_answer answer = {0};
    if (size == 0 || size > sizeof bytes) return 0;
    bool closed = data[0] & 1;
    size_t len = size - 1, cut = len * (data[0] >> 1) / 128;
    memcpy(bytes, data + 1, len);
    int early = tw__http_read(bytes, cut, false, &answer);
    memcpy(bytes, data + 1, len);
    int result = tw__http_read(bytes, len, closed, &answer);
    if (early < 0 && result != early) abort();
    if (early == 1 && result != 1) abort();
    if (result == 1) {
        if (answer.status < 200 || answer.body < bytes || answer.body + answer.body_len > bytes + len) abort();
    }
    if (result == 0 && closed) abort();
    return 0;
}
