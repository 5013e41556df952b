#!/usr/bin/python3
"""kiosk.py SHOP: a customer of the shop, traced by the AWS X-Ray SDK for Python (Debian's python3-aws-xray-sdk).

Nothing here knows of Trackway. The SDK sends its segment as a datagram to AWS_XRAY_DAEMON_ADDRESS, where AWS's daemon would
listen and the collector does, and the shop gets the trace in the header X-Amzn-Trace-Id. Prints the trace id, in X-Ray's form.
"""
import sys
import urllib.error
import urllib.request

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import inject_trace_header

xray_recorder.configure(service="shop-kiosk", sampling=False, context_missing="RUNTIME_ERROR")


def ask(method, url):
    """A remote subsegment around the request, as the SDK's patches of HTTP clients do. Returns the status."""
    subsegment = xray_recorder.begin_subsegment("shop", namespace="remote")
    headers = {}
    inject_trace_header(headers, subsegment)
    subsegment.put_http_meta(http.METHOD, method)
    subsegment.put_http_meta(http.URL, url)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=20) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    subsegment.put_http_meta(http.STATUS, status)
    xray_recorder.end_subsegment()
    return status


def main():
    shop = sys.argv[1]
    segment = xray_recorder.begin_segment("shop-kiosk")
    segment.put_annotation("kiosk", "main hall")
    ask("GET", shop + "/item/7")
    if ask("POST", shop + "/order/7?quantity=100000") != 201:  # more than there are
        segment.put_annotation("sold_out", True)
    xray_recorder.end_segment()
    print(segment.trace_id)


main()
