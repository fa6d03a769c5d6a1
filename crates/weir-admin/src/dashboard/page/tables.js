// Recent failures, and certificates.

import { element, pill, table } from "./element.js";
import { age, clock, day, duration } from "./format.js";

const SHOWN_MAX = 50;

export function drawFailures(now) {
  if (now.failures.length === 0) return element("p", { class: "empty" }, "None since the start of the process.");
  const columns = [{ name: "Time" }, { name: "Request", kind: "wide" }, { name: "Route" }, { name: "Server" }, { name: "Status", number: true }, { name: "Reason", kind: "wide" }, { name: "Took", number: true }];
  return table(columns, now.failures.slice(0, SHOWN_MAX).map((one) => [
    clock(one.at_seconds),
    element("span", { class: "mono", title: one.request_id && `request id ${one.request_id}` }, `${one.method} ${one.path}`),
    [one.service, one.route].filter(Boolean).join(" "),
    one.server ?? "–",
    String(one.status ?? "none"),
    element("span", { title: one.reason }, one.text),
    duration(one.duration_seconds),
  ]), true);
}

export function drawCertificates(now) {
  const columns = [{ name: "Names", kind: "wide" }, { name: "Listener" }, { name: "Issuer", kind: "wide" }, { name: "Key" }, { name: "Expires" }, { name: "Left", number: true }];
  return table(columns, now.certificates.map((one) => {
    const left = one.expires_seconds - now.at;
    const kind = left <= 0 ? "bad" : left < 14 * 86400 ? "warn" : "good";
    return [one.names.join(", "), one.listener, one.issuer, one.key, day(one.expires_seconds), pill(left <= 0 ? "expired" : age(left), kind)];
  }), true);
}
