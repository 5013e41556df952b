/* app: the frame around the views, and the keys that work in all. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { theme } from "./color.js";
import { address, follow, go, link, mapAddress } from "./link.js";
import { MapView } from "./map.jsx";
import { SearchView, lastSearch } from "./search.jsx";
import { TraceView } from "./trace.jsx";

const helping = signal(false);

const KEYS = [
  ["/", "search"],
  ["j k  ↓ ↑", "next, previous"],
  ["Enter", "open; details of the span"],
  ["← →", "collapse, expand; to the parent"],
  ["+ −", "zoom in, out"],
  ["h l", "earlier, later"],
  ["z  0", "zoom to the span; all of it"],
  ["f", "fold repeated children, or not"],
  ["e", "next error"],
  ["c", "critical path, or not"],
  ["Esc", "close"],
];

function Help() {
  useEffect(() => document.querySelector("dialog")?.showModal(), []);
  return (
    <dialog aria-labelledby="help-title" onClose={() => (helping.value = false)} onClick={(e) => e.target === e.currentTarget && e.currentTarget.close()}>
      <div class="help">
        <h2 id="help-title">Keys</h2>
        <dl class="keys">
          {KEYS.map(([keys, what]) => (
            <div key={keys}>
              <dt>
                {keys.split(/ +/).map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <p>Ctrl and the wheel zooms at the pointer, Shift and the wheel pans, a drag on the bars pans, a drag on the overview chooses a part.</p>
        <h2>Queries</h2>
        <p>
          <code>status=error duration&gt;200ms</code>
          <br />
          <code>http.status_code&gt;=500 or (name~^SELECT not zone=east)</code>
        </p>
        <p>
          <code>= != &lt; &gt; ~ in (a, b)</code>, <code>key</code> is there, <code>!key</code> is not; <code>duration</code> is the span's,{" "}
          <code>trace.duration</code> the trace's; <code>resource.KEY</code> for the process.
        </p>
        <form method="dialog">
          <button autofocus>Close</button>
        </form>
      </div>
    </dialog>
  );
}

const THEMES = { auto: ["dark", "system"], dark: ["light", "dark"], light: ["auto", "light"] };

/* At once, where the field is there: keys that come before it has the focus are lost. From a trace it is there after the next
 * render. */
function focusQuery(tries = 0) {
  const field = document.getElementById("where");
  if (field) field.focus();
  else if (tries < 50) setTimeout(focusQuery, 0, tries + 1);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "?") helping.value = true;
  else if (event.key === "/") {
    if (link.value.trace || link.value.map) go(null, lastSearch());
    focusQuery();
  } else return;
  event.preventDefault();
}

export function App() {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const { trace, map, query } = link.value;
  const { range, since, until } = trace ? lastSearch() : query;
  const listed = trace || map ? { ...lastSearch(), range, since, until } : query;
  return (
    <>
      <header class="top">
        <a class="brand" href={address(null, trace || map ? listed : {})} onClick={follow}>
          <svg width="18" height="18" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M1 3h12v2.4H1zM4 7h6v2.4H4zM8 11h7v2.4H8z" fill="currentColor" />
          </svg>
          Trackway
        </a>
        <nav aria-label="Views">
          <a href={address(null, listed)} onClick={follow} aria-current={trace || map ? undefined : "page"}>
            Traces
          </a>
          <a href={mapAddress({ range, since, until })} onClick={follow} aria-current={map ? "page" : undefined}>
            Map
          </a>
        </nav>
        <span class="grow" />
        <button class="quiet" onClick={() => (theme.value = THEMES[theme.value][0])} title="Colours: as the system, dark, light">
          Theme: {THEMES[theme.value][1]}
        </button>
        <button class="quiet" onClick={() => (helping.value = true)} title="Keys and queries (?)" aria-label="Help">
          ?
        </button>
      </header>
      {trace ? <TraceView key={trace} id={trace} /> : map ? <MapView /> : <SearchView />}
      {helping.value && <Help />}
    </>
  );
}
