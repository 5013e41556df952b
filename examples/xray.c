/* Tracing as in AwsExRay, in C: a request is served, part of it on another thread, and the rest is handed to a worker
 * as a job.
 *
 *     cc xray.c $(pkg-config --cflags --libs trackway) -pthread -o xray
 *     TRACKWAY_KEEP=1 ./xray 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1'
 *     trackway traces
 *     TRACKWAY_EXPORTER=xray ./xray        documents to the X-Ray daemon at 127.0.0.1:2000
 *
 * The argument is what came in X-Amzn-Trace-Id. Without one a new trace is begun.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trackway/trace.h>
#include <trackway/trackway.h>

static void work(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Called inside a trace and outside of one: it need not know. */
static int load_cart(int user)
{
    tw_span query;
    const struct tw_subsegment_options remote = {.callee = TW_CALLEE_REMOTE};
    if (tw_subsegment_start_with("carts", &query, &remote) == TW_ERR_OUT_OF_TRACE) printf("load_cart: out of trace\n");
    work(3);
    tw_span_set_sql(query, &(struct tw_sql){.url = "postgresql://carts.example:5432/shop",
                                            .sanitized_query = "SELECT * FROM carts WHERE user_id = ?",
                                            .database_type = "PostgreSQL",
                                            .preparation = "statement"});
    tw_subsegment_finish(query);
    return user * 7;
}

/* Another thread is not in the trace until it is told to keep it. */
static void *price(void *tracing)
{
    tw_attach keep;
    if (tw_tracing_keep(tracing, &keep) < 0) return NULL;
    {
        TW_SUBSEGMENT(part, "price");
        tw_annotation(part, "currency", "EUR");
        tw_metadata(part, "price", "rules", 3);
        work(2);
    }
    tw_tracing_leave(keep);
    return NULL;
}

/* The job worker, in another process as a rule: the trace came with the job. */
static void send_mail(const char *trace_value)
{
    struct tw_trace trace;
    if (tw_trace_parse(trace_value, strlen(trace_value), &trace) < 0) return;
    tw_span root = tw_tracing_start(&trace, "mailer"), call;
    const struct tw_subsegment_options aws = {.callee = TW_CALLEE_AWS};
    if (tw_subsegment_start_with("SES", &call, &aws) == 0) {
        work(1);
        tw_span_set_aws(call, &(struct tw_aws){.operation = "SendEmail", .region = "eu-central-1"});
        tw_span_set_error(call, &(struct tw_error){
                                    .throttle = true, .error = true, .type = "Throttling", .message = "Rate exceeded"});
        tw_subsegment_finish(call);
    }
    tw_tracing_finish(root);
}

int main(int argc, char **argv)
{
    const char *header = argc > 1 ? argv[1] : "";
    char job[TW_TRACE_HEADER_MAX + 1] = "";
    struct tw_trace trace;
    struct tw_context tracing;
    pthread_t thread;
    tw_span part;

    load_cart(1);

    tw_trace_parse_or_new(header, strlen(header), &trace);
    tw_span root = tw_tracing_start(&trace, "shop");
    tw_span_set_http_request(root, &(struct tw_http_request){
                                       .method = "POST", .url = "http://shop.example/order", .client_ip = "192.0.2.7"});
    tw_annotation(root, "items", load_cart(4));
    if (tw_context_current(&tracing) && pthread_create(&thread, NULL, price, &tracing) == 0) pthread_join(thread, NULL);
    if (tw_subsegment_start("enqueue mail", &part) == 0) {
        tw_trace_header(part, &trace, job, sizeof job);
        tw_subsegment_finish(part);
    }
    tw_span_set_http_response(root, 201, 17);
    tw_tracing_finish(root);

    printf("job: %s\n", job);
    send_mail(job);
    return 0;
}
