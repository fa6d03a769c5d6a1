-- What the load generator `wrk` sends for the scenarios with writes.
wrk.method = "POST"
wrk.body = "@BODY@"
wrk.headers["Content-Type"] = "text/plain"
