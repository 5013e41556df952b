/* api: the questions of docs/api.md. An answer that is an error throws an Error with the collector's words. */

import { unpack } from "./skeleton.js";

async function ask(path, query = {}, signal = undefined, read = (answer) => answer.json()) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(kept).toString();
  let answer;
  try {
    answer = await fetch(`/api/tw/${path}${search ? `?${search}` : ""}`, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The collector does not answer.");
  }
  const body = await (answer.ok ? read(answer) : answer.json()).catch((error) => {
    if (answer.ok) throw error.name === "AbortError" ? error : new Error("The answer of the collector cannot be read.");
    return null;
  });
  if (!answer.ok || !body) throw Object.assign(new Error(body?.error || `The collector answered with status ${answer.status}.`), { status: answer.status });
  return body;
}

export const search = (query, signal) => ask("search", query, signal);
export const heatmap = (query, signal) => ask("heatmap", query, signal);
export const map = (query, signal) => ask("map", query, signal);
export const services = () => ask("services");
export const operations = (service) => ask("operations", { service });
export const info = () => ask("info");
export const skeleton = (id, signal) => ask(`traces/${encodeURIComponent(id)}`, { form: "packed" }, signal, async (answer) => unpack(await answer.arrayBuffer()));
export const spans = (id, from, count) => ask(`traces/${encodeURIComponent(id)}/spans`, { from, count });
export const spanOf = (id, span) => ask(`traces/${encodeURIComponent(id)}/spans`, { span, count: 1 });

/* Once: for colours. A page without it is less pretty, no more. */
export const known = services().then((answer) => answer.services.map((service) => service.name)).catch(() => []);
