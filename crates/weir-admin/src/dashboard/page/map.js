// Services → routes → upstreams → servers, with what flows between them.

import { element, shape } from "./element.js";
import { isDown } from "./findings.js";
import { plural, rate } from "./format.js";
import { routeKey, serverKey } from "./model.js";

// More of one kind are counted and not drawn; those with most requests stay.
const SHOWN_MAX = 14;
const COLUMNS = ["Services", "Routes", "Upstreams", "Servers"];

export function drawMap(place, services, now, history) {
  const nodes = layout(services, now, history);
  const columns = COLUMNS.map((name, at) => {
    const all = nodes.filter((node) => node.column === at);
    const kept = [...all].sort((a, b) => b.flow - a.flow).slice(0, SHOWN_MAX);
    const shown = all.filter((node) => kept.includes(node));
    const more = all.length - shown.length;
    return element("div", { class: "column" },
      element("h4", {}, name),
      shown.map((node) => {
        node.element = element("div", { class: `node is-${node.kind}` }, node.name, element("small", {}, node.detail));
        return node.element;
      }),
      more > 0 && element("p", { class: "quiet" }, `and ${more} more`));
  });
  const flows = shape("svg", { "aria-hidden": "true" });
  place.replaceChildren(flows, ...columns);
  drawFlows(place, flows, nodes);
}

function layout(services, now, history) {
  const nodes = new Map();
  const upstreamFlow = new Map();
  const add = (key, column, name, kind, detail, flow, to = []) => nodes.set(key, { key, column, name, kind, detail, flow, to });
  for (const service of services) {
    let flow = 0;
    const to = [];
    for (const route of service.routes) {
      const key = routeKey(service.name, route.name);
      const own = history.rate(key);
      const failing = history.rate(`failed ${key}`);
      flow += own;
      to.push({ key, flow: own });
      for (const upstream of route.upstreams) upstreamFlow.set(upstream, (upstreamFlow.get(upstream) ?? 0) + own);
      const detail = [route.modes.join(", ") || route.action, rate(own), failing > 0 && `${rate(failing)} failed`].filter(Boolean).join(" · ");
      add(key, 1, route.name, failing > 0 ? "bad" : "good", detail, own, route.upstreams.map((name) => ({ key: `upstream ${name}`, flow: own })));
    }
    add(`service ${service.name}`, 0, service.name, "good", rate(flow), flow, to);
  }
  for (const upstream of now.upstreams) {
    const up = upstream.servers.filter((server) => !isDown(server)).length;
    const kind = up === 0 ? "bad" : up < upstream.servers.length ? "warn" : "good";
    const flow = upstreamFlow.get(upstream.name) ?? 0;
    const to = upstream.servers.map((server) => {
      const key = serverKey(upstream.name, server.address);
      const own = history.rate(key);
      const state = server.is_ejected ? "ejected" : server.state.toLowerCase().replace("_", " ");
      add(key, 3, server.address, isDown(server) ? "bad" : server.state === "HEALTHY" ? "good" : "warn", `${state} · ${rate(own)}`, own);
      return { key, flow: own, bad: isDown(server) };
    });
    add(`upstream ${upstream.name}`, 2, upstream.name, kind, `${up} of ${plural(upstream.servers.length, "server", "servers")} usable`, flow, to);
  }
  return [...nodes.values()];
}

function drawFlows(place, flows, nodes) {
  const bounds = place.getBoundingClientRect();
  const at = new Map(nodes.filter((node) => node.element).map((node) => [node.key, node.element.getBoundingClientRect()]));
  const most = Math.max(1e-9, ...nodes.flatMap((node) => node.to.map((one) => one.flow)));
  for (const node of nodes) {
    const from = at.get(node.key);
    for (const one of node.to) {
      const to = at.get(one.key);
      if (!from || !to) continue;
      const [x1, y1] = [from.right - bounds.left, from.top + from.height / 2 - bounds.top];
      const [x2, y2] = [to.left - bounds.left, to.top + to.height / 2 - bounds.top];
      const middle = (x1 + x2) / 2;
      const still = one.flow === 0;
      const path = shape("path", { class: [still && "still", one.bad && "bad"].filter(Boolean).join(" "), d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` });
      path.style.strokeWidth = still ? "1.5px" : `${(1.5 + 9 * Math.sqrt(one.flow / most)).toFixed(1)}px`;
      flows.append(path);
    }
  }
}
