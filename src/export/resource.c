/* resource: see the header. What is given from outside replaces what we know by ourselves: who deploys a container
 * knows better what its host is called. */
#include "export/resource.h"

#include <string.h>

#include "base/os.h"
#include "base/pairs.h"

#define TEXT(literal) ((struct tw_text){literal, sizeof(literal) - 1})

static struct tw_tag_value *place_of(struct tw__resource *resource, struct tw_text key)
{
    for (size_t i = 0; i < resource->count; i++) {
        const struct tw_text *other = &resource->attributes[i].key;
        if (other->len == key.len && memcmp(other->ptr, key.ptr, key.len) == 0) return &resource->attributes[i];
    }
    if (resource->count == TW__RESOURCE_MAX) {
        resource->left_out++;
        return NULL;
    }
    return &resource->attributes[resource->count++];
}

static void set_text(struct tw__resource *resource, struct tw_text key, struct tw_text value)
{
    struct tw_tag_value *tag = value.len ? place_of(resource, key) : NULL;
    if (tag) *tag = (struct tw_tag_value){.key = key, .type = TW_TYPE_STR, .text = value, .full_len = value.len};
}

void tw__resource_read(struct tw__resource *resource, const struct tw__settings *settings)
{
    const char *at = tw__setting(settings, TW__SETTING_RESOURCE);
    struct tw__pair pair;
    size_t used = 0;
    resource->count = resource->left_out = 0;
    tw__os_host(resource->host, sizeof resource->host);
    set_text(resource, TEXT("host.name"), (struct tw_text){resource->host, strlen(resource->host)});
    *place_of(resource, TEXT("process.pid")) =
        (struct tw_tag_value){.key = TEXT("process.pid"), .type = TW_TYPE_INT, .value.i = tw__os_pid()};
    set_text(resource, TEXT("telemetry.sdk.name"), TEXT("trackway"));
    set_text(resource, TEXT("telemetry.sdk.language"), TEXT("c"));
    set_text(resource, TEXT("telemetry.sdk.version"), TEXT(TW__VERSION_TEXT));
    while (tw__pairs_next(&at, &pair)) {
        if (pair.value_len > sizeof resource->room - used) continue; /* cannot be: decoding makes nothing longer */
        size_t len = tw__percent_decode(pair.value, pair.value_len, resource->room + used);
        set_text(resource, (struct tw_text){pair.key, pair.key_len}, (struct tw_text){resource->room + used, len});
        used += len;
    }
    set_text(resource, TEXT("service.name"), (struct tw_text){settings->service, strlen(settings->service)});
}
