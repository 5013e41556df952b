/* page.mjs URL SHOTS PROFILE CHROMIUM: what the page does, in a browser. A line for each test; exit code: how many failed.
 * The collector at URL holds the traces of test_page.py. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const [url, shots, profile, executablePath] = process.argv.slice(2);
const require = createRequire(new URL("../../ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const STORY = "6b08b8a8000000000000000000000001",
  SHOP = "8a0000000000000000000000000000aa",
  LARGE = "9c000000000000000000000000000003",
  LONG = "9d000000000000000000000000000004";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: ARGS, viewport: { width: 1280, height: 800 }, colorScheme: "light" });
const page = context.pages()[0] || (await context.newPage());
const faults = []; /* whatever the page or the policy complains about */
page.on("pageerror", (error) => faults.push(String(error)));
page.on("console", (message) => message.type() === "error" && !/status of 400|status of 404/.test(message.text()) && faults.push(message.text()));
page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith("data:") || faults.push(`asked ${request.url()}`));

const shot = (name) => page.screenshot({ path: path.join(shots, `${name}.png`) });
const open = async (where) => {
  await page.goto(url + where);
  await page.waitForSelector(where.startsWith("/trace") ? "canvas.rows" : where.startsWith("/map") ? ".map svg, .empty" : ".results, .empty, .trouble");
  await page.waitForTimeout(150); /* for the pictures: details and the heat map are there by then */
};
/* Whatever is checked may take a moment: tried again until it holds, for ten seconds. */
const soon = async (check) => {
  for (const began = Date.now(); ; await page.waitForTimeout(50)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() - began > 10000) throw error;
    }
  }
};
const query = () => Object.fromEntries(new URL(page.url()).searchParams);
const title = async () => (await page.locator(".details h2").innerText()).trim();
const spoken = () => page.locator("#spoken").innerText();

const { unpack } = await import(new URL("../../ui/src/skeleton.js", import.meta.url));
const format = await import(new URL("../../ui/src/format.js", import.meta.url));
const { crossings, forward, layout, settle } = await import(new URL("../../ui/src/layout.js", import.meta.url));
const packed = async (trace) => (await fetch(`${url}/api/tw/traces/${trace}?form=packed`)).arrayBuffer();

const tests = {
  async the_packed_form_of_a_trace_says_what_its_json_form_says() {
    for (const trace of [STORY, SHOP, LARGE, LONG]) {
      const json = await (await fetch(`${url}/api/tw/traces/${trace}`)).json(),
        { from, rows, columns, ...rest } = unpack(await packed(trace)),
        { columns: expected, ...others } = json;
      assert.deepEqual([from, rows], [0, json.count]);
      assert.deepEqual(rest, others);
      assert.deepEqual(Object.keys(columns), Object.keys(expected));
      for (const name of Object.keys(expected)) assert.deepEqual(Array.from(columns[name]), expected[name], name);
    }
  },

  async an_answer_that_is_cut_off_anywhere_is_refused() {
    const whole = await packed(STORY);
    for (let length = 0; length < whole.byteLength; length++) assert.throws(() => unpack(whole.slice(0, length)), String(length));
    assert.throws(() => unpack(Uint8Array.of(...new Uint8Array(whole), 0).buffer), /cut off/);
  },

  async the_axes_have_round_numbers_and_enough_of_them() {
    const at = new Date(2026, 10, 28, 2, 2, 17, 345).getTime();
    for (let span = 3; span < 400 * 86400e3; span *= 1.37) {
      const times = format.roundTimes(at, span, 6);
      assert.ok(times.length >= 2 && times.length <= 7, `${span} ms: ${times.length}`);
      assert.ok(times.every((t) => t >= at && t < at + span));
    }
    const clocks = (minutes) => format.roundTimes(at, minutes * 60e3, 6).map((t) => new Date(t).toTimeString().slice(0, 8));
    assert.deepEqual(clocks(60), ["02:10:00", "02:20:00", "02:30:00", "02:40:00", "02:50:00", "03:00:00"]);
    assert.deepEqual(clocks(2), ["02:02:30", "02:03:00", "02:03:30", "02:04:00"]);
    assert.deepEqual(format.roundDurations(700, 3e6), [1e3, 1e4, 1e5, 1e6]);
    assert.deepEqual(format.roundDurations(3e5, 3e6), [5e5, 1e6, 2e6]);
  },

  async rates_and_shares_are_never_nothing_when_there_is_something() {
    const rates = [[1, 1], [1234, 1], [17, 2], [1, 60], [45, 60], [1, 3600], [5, 7200], [1, 86400 * 7], [0, 60]];
    assert.deepEqual(rates.map(([n, seconds]) => format.rate(n, seconds)), ["1/s", "1,234/s", "8.5/s", "1/min", "45/min", "1/h", "2.5/h", "0.1/d", "0/d"]);
    const shares = [[0, 0], [0, 5], [1, 5], [1, 3], [1, 1e6], [999999, 1e6], [995, 1000], [5, 5]];
    assert.deepEqual(shares.map(([part, whole]) => format.share(part, whole)), ["0 %", "0 %", "20 %", "33 %", "<0.1 %", ">99.9 %", "99.5 %", "100 %"]);
  },

  async a_map_has_callers_before_callees_and_nothing_on_a_service() {
    const box = { width: 100, height: 40, gap: 10, between: 50 },
      inside = ([x, y], [left, top]) => x > left + 0.01 && x < left + box.width - 0.01 && y > top + 0.01 && y < top + box.height - 0.01;
    for (let round = 0; round < 60; round++) {
      const count = 1 + ((round * 7) % 60),
        random = () => Number((seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn) >> 40n) / 2 ** 24;
      let seed = BigInt(round);
      const keys = new Set();
      for (let i = 0; i < count * 1.5; i++) keys.add(`${Math.floor(random() * count)} ${Math.floor(random() * count)}`);
      const circles = round % 2,
        edges = [...keys].map((key) => key.split(" ").map(Number)).filter(([a, b]) => (circles ? a !== b : a < b));
      const room = round % 3 ? 2000 : 350,
        found = layout(count, edges, { ...box, room });
      assert.ok(found.nodes.length === count && found.ways.length === edges.length);
      assert.deepEqual(found.order.slice().sort((a, b) => a - b), [...Array(count).keys()]);
      for (const [x, y] of found.nodes) assert.ok(x >= 0 && y >= -0.01 && x + box.width <= found.width + 0.01 && y + box.height <= found.height + 0.01);
      found.nodes.forEach(([x, y], i) => found.nodes.slice(0, i).forEach(([ox, oy]) => assert.ok(Math.abs(x - ox) >= box.width - 0.01 || Math.abs(y - oy) >= box.height - 0.01)));
      edges.forEach(([from, to], e) => {
        const { down, points: way } = found.ways[e];
        if (!circles) assert.ok(down ? found.nodes[from][1] + box.height < found.nodes[to][1] : found.nodes[from][0] + box.width < found.nodes[to][0]);
        for (const [point, node] of [[way[0], from], [way.at(-1), to]]) {
          const [dx, dy] = [0, 1].map((k) => point[k] - found.nodes[node][k]);
          assert.ok(dx >= 0 && dx <= box.width && dy >= 0 && dy <= box.height, `${dx} ${dy}`);
        }
        for (let i = 1; i < way.length; i++)
          for (let t = 0; t <= 1; t += 0.25) {
            const point = [0, 1].map((k) => way[i - 1][k] + t * (way[i][k] - way[i - 1][k]));
            if (i % 2 === 0) for (const node of found.nodes) assert.ok(!inside(point, node), `${point} on ${node}`);
          }
      });
      const { back, order } = forward(count, edges);
      assert.deepEqual(order.slice().sort((a, b) => a - b), [...Array(count).keys()]);
      edges.forEach(([from, to], e) => assert.equal(order.indexOf(from) > order.indexOf(to), back[e]));
      if (!circles) assert.ok(!back.includes(true));
    }
    assert.equal(forward(3, [[0, 1], [1, 2], [2, 0]]).back.filter(Boolean).length, 1);
    const chain = layout(4, [[0, 1], [1, 2], [0, 2]], { ...box, room: 220 });
    assert.ok(chain.ways.every((way) => way.down) && chain.width <= 220, "one below the other where only that fits");
    assert.ok(chain.nodes[3][1] > chain.nodes[2][1] + box.height, "what is connected to nothing comes last");
  },

  async lines_that_cross_are_counted_and_places_are_the_nearest_that_fit() {
    assert.equal(crossings([[0, 1], [2, 3]], [[3], [2], [], []]), 1);
    assert.equal(crossings([[0, 1], [3, 2]], [[3], [2], [], []]), 0);
    assert.equal(crossings([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [3, 4, 5], [3, 4, 5], [], [], []]), 9);
    const apart = [0, 10, 20, 30];
    assert.deepEqual(settle([0, 50, 90, 100], apart), [0, 50, 90, 100]);
    assert.deepEqual(settle([5, 5, 5, 5], apart), [-10, 0, 10, 20]);
    assert.deepEqual(settle([0, 40, 40, 100], apart), [0, 35, 45, 100]);
  },

  async what_was_found_is_listed_to_scale_with_services_and_errors() {
    await open("/");
    const rows = page.locator(".result");
    assert.equal(await rows.count(), 50);
    await open("/?where=db.system%3Dsqlite&order=slowest");
    assert.equal(await rows.count(), 2);
    const first = await rows.nth(0).innerText(),
      second = await rows.nth(1).innerText();
    assert.match(first, /POST \/order[^]*1 open[^]*> 48 ms[^]*stock/);
    assert.match(second, /GET \/cart[^]*1 error[^]*5 ms/);
    const bars = await page.locator(".scale .bar").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().width));
    assert.ok(Math.abs(bars[1] / bars[0] - 5 / 48) < 0.01, String(bars));
    await page.waitForSelector(".heat canvas");
    await open("/");
    await page.waitForSelector(".heat canvas");
    await shot("list-light");
  },

  async a_query_is_typed_and_is_in_the_address() {
    await open("/");
    await page.keyboard.press("/");
    await page.keyboard.type('name="GET /items" status=error');
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll(".result").length < 50);
    assert.equal(query().where, 'name="GET /items" status=error');
    await page.selectOption("select >> nth=0", "front");
    await page.waitForURL(/service=front/);
    await soon(async () => assert.ok((await page.locator("select >> nth=1").locator("option").allInnerTexts()).includes("GET /cart")));
    await page.goBack();
    await soon(async () => assert.equal(await page.inputValue("select >> nth=0"), ""));
    assert.equal(query().service, undefined);
  },

  async what_comes_is_seen_while_following() {
    await open("/?where=name%3Darrived&follow=1");
    await page.waitForSelector(".empty");
    const now = BigInt(Date.now()) * 1000000n;
    const span = { traceId: "f".repeat(31) + "1", spanId: "1".repeat(16), name: "arrived", startTimeUnixNano: String(now - 5000000n), endTimeUnixNano: String(now) };
    const sent = await fetch(`${url}/api/tw/otlp/spans`, { method: "POST", body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }) });
    assert.equal(sent.status, 200);
    await page.waitForSelector(".result");
    assert.equal(await page.getAttribute(".follow", "aria-pressed"), "true");
    await page.click(".follow");
    await page.waitForURL((at) => !at.searchParams.has("follow"));
    assert.equal(await page.getAttribute(".follow", "aria-pressed"), "false");
  },

  async a_word_alone_is_answered_with_what_may_have_been_meant() {
    await open("/?where=order");
    await page.click("text=name~order");
    await page.waitForSelector(".result");
    assert.equal(query().where, "name~order");
    assert.match(await page.locator(".result").first().innerText(), /POST \/order/);
    await open("/?where=name%3Dnothing");
    assert.equal(await page.locator(".empty code").count(), 0);
  },

  async the_id_of_a_trace_leads_to_it() {
    for (const [text, path] of [[` ${STORY} `, `/trace/${STORY}`], [`1-${STORY.slice(0, 8)}-${STORY.slice(8)}`, "/trace/1-"], [STORY.toUpperCase(), `/trace/${STORY}`]]) {
      await open("/");
      await page.fill("#where", text);
      await page.keyboard.press("Enter");
      await page.waitForSelector("canvas.rows");
      assert.ok(new URL(page.url()).pathname.startsWith(path), page.url());
    }
    await open("/");
    await page.fill("#where", `00-${STORY}-0000000000000004-01`);
    await page.keyboard.press("Enter");
    await soon(async () => assert.equal(await title(), "SELECT"));
  },

  async a_wrong_query_has_a_caret_at_the_byte() {
    await open(`/?where=${encodeURIComponent('zone="köln" level>=warnin')}`);
    const [text, caret] = (await page.locator(".trouble pre").innerText()).split("\n");
    const at = caret.indexOf("^");
    assert.equal(text.slice(at), "warnin", `${text}\n${caret}`);
    assert.equal(await page.locator("#where").getAttribute("aria-invalid"), "true");
    await shot("error-light");
  },

  async a_trace_is_walked_by_keyboard_and_its_span_is_in_the_address() {
    await open("/?where=db.system%3Dsqlite&order=newest");
    await page.locator("body").click({ position: { x: 5, y: 400 } });
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    await page.keyboard.press("Enter");
    await page.waitForSelector("canvas.rows");
    await open(`/trace/${STORY}`);
    for (const key of ["j", "j", "ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.waitForSelector(".details .events");
    assert.equal(await title(), "GET /items");
    await soon(async () => assert.match(await spoken(), /GET \/items, back, level 3, row 3 of 6, 4.5 ms, error/));
    assert.match(await page.locator(".details").innerText(), /no stock[^]*cache.miss[^]*service.name/);
    await soon(() => assert.equal(query().span, "0000000000000003"));
    await page.keyboard.press("ArrowLeft");
    await soon(async () => assert.match(await spoken(), /row 3 of 3/));
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("End");
    await page.waitForFunction(() => /Further parents/.test(document.querySelector(".details").innerText));
    assert.match(await page.locator(".details").innerText(), /Further parents\s+SELECT[^]*INSERT/);
    await shot("story-light");
    await page.keyboard.press("Escape");
    await soon(async () => assert.equal(await page.locator(".details").count(), 0));
  },

  async a_link_brings_back_span_and_zoom() {
    await open(`/trace/${SHOP}?span=0000000000000008&from=30000000&to=48000000`);
    await page.waitForSelector(".details");
    assert.equal(await title(), "commit");
    await page.waitForTimeout(300);
    assert.deepEqual(query(), { span: "0000000000000008", from: "30000000", to: "48000000" });
    await page.keyboard.press("0");
    await page.waitForURL((at) => !at.searchParams.has("from"));
    await page.keyboard.press("+");
    await page.waitForURL(/from=\d+/);
    await page.keyboard.press("z");
    await soon(() => assert.ok(Number(query().to) - Number(query().from) < 8e6, page.url()));
  },

  async repeated_children_are_folded_and_opened() {
    await open(`/trace/${SHOP}`);
    const rows = async (count) => {
      await page.keyboard.press("End");
      await soon(async () => assert.match(await spoken(), new RegExp(`row ${count} of ${count}`)));
    };
    await rows(11);
    await shot("shop-light");
    await page.keyboard.press("f");
    await rows(50);
    await page.keyboard.press("f");
    await rows(11);
    await page.keyboard.press("e");
    await page.waitForSelector(".details");
    await soon(async () => assert.equal(await title(), "GET item"));
    await soon(async () => assert.match(await page.locator(".details").innerText(), /timeout/));
    await shot("shop-open-light");
  },

  async a_trace_is_saved_whole() {
    await open(`/trace/${SHOP}`);
    const saving = page.waitForEvent("download");
    await page.click("text=Save");
    const saved = await saving;
    assert.equal(saved.suggestedFilename(), `${SHOP}.json`);
    const { resourceSpans, more } = JSON.parse(await readFile(await saved.path(), "utf8"));
    const spans = resourceSpans.flatMap((from) => from.scopeSpans.flatMap((scope) => scope.spans));
    assert.ok(spans.length === 50 && spans.every((span) => span.traceId === SHOP) && !more);
  },

  async a_log_line_is_its_text_and_level_an_exception_its_type_and_message() {
    await open(`/trace/${SHOP}?span=0000000000000002`);
    await soon(async () => assert.match(await page.locator(".events").innerText(), /error 2 items left of tea\s+zone\s+west/));
    assert.match(await page.locator(".events").innerText(), /exception TeaError: no tea\s+exception.stacktrace\s+at pour\n +at main/);
    assert.doesNotMatch(await page.locator(".events").innerText(), /%d|trackway.kind|message/);
    assert.equal(await page.locator(".events .mark.bad").count(), 2);
    assert.match(await page.locator(".facts").innerText(), /^> 48 ms/);
  },

  async a_click_chooses_a_tick_row_and_a_tag_leads_to_a_search() {
    await open(`/trace/${STORY}`);
    const box = await page.locator(".scroller").boundingBox();
    await page.mouse.click(box.x + box.width * 0.7, box.y + 24 * 3 + 12);
    await page.waitForSelector(".details .tags a");
    assert.equal(await title(), "SELECT");
    await page.locator(".details .tags a", { hasText: "sqlite" }).click();
    await page.waitForURL(/where=db.system/);
    await page.waitForSelector(".results");
    await soon(async () => assert.equal(await page.locator(".result").count(), 2));
  },

  async wheel_and_drag_zoom_and_pan() {
    await open(`/trace/${SHOP}`);
    const box = await page.locator(".scroller").boundingBox();
    await page.mouse.move(box.x + box.width * 0.7, box.y + 60);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -500);
    await page.keyboard.up("Control");
    await soon(() => assert.ok(Number(query().to) - Number(query().from) < 30e6, page.url()));
    const before = query();
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await soon(() => assert.ok(Number(query().from) > Number(before.from), page.url()));
    const over = await page.locator(".overview").boundingBox();
    await page.mouse.move(over.x + over.width * 0.25, over.y + 10);
    await page.mouse.down();
    await page.mouse.move(over.x + over.width * 0.5, over.y + 10, { steps: 4 });
    await page.mouse.up();
    await soon(() => assert.ok(Math.abs(Number(query().from) - 12e6) < 1e6 && Math.abs(Number(query().to) - 24e6) < 1e6, page.url()));
    await shot("zoomed-light");
  },

  async ten_thousand_spans_are_drawn_by_what_is_in_sight() {
    await open(`/trace/${LARGE}?fold=0`);
    await page.keyboard.press("End");
    await soon(async () => assert.match(await spoken(), /row 10000 of 10000/));
    await page.keyboard.press("Home");
    await shot("large-light");
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(nodes < 200, `${nodes} elements`);
    const ms = await page.evaluate(async () => {
      const box = document.querySelector(".scroller"),
        frame = () => new Promise((done) => requestAnimationFrame(done)),
        began = performance.now();
      for (let i = 0; i < 60; i++) {
        box.scrollTop += 1111;
        await frame();
      }
      return (performance.now() - began) / 60;
    });
    console.log(`10,000 spans: ${ms.toFixed(1)} ms a frame while scrolling`);
  },

  async who_calls_whom_is_a_map_and_a_table_of_the_same() {
    const { edges } = await (await fetch(`${url}/api/tw/map?since=1h`)).json();
    const between = edges.filter((edge) => edge.parent !== edge.child);
    assert.ok(between.some((edge) => edge.errors) && between.length < edges.length);
    await open("/");
    await page.getByRole("link", { name: "Map" }).click();
    await page.waitForSelector(".map svg");
    assert.equal(new URL(page.url()).pathname, "/map");
    assert.equal(await page.locator(".service").count(), new Set(edges.flatMap((edge) => [edge.parent, edge.child])).size);
    const labels = await page.locator(".call").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
    assert.equal(labels.length, between.length);
    for (const { parent, child, calls, errors } of between)
      assert.ok(labels.some((text) => text.startsWith(`${parent} → ${child}: `) && text.includes(`(${format.plural(calls, "call")}), ${format.plural(errors, "error")}`)), `${parent} ${child}: ${labels}`);
    assert.equal(await page.locator(".call .tip.bad").count(), between.filter((edge) => edge.errors).length);
    const rows = await page.locator(".calls tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
    const expected = edges.map((edge) => [edge.parent, edge.parent === edge.child ? "itself" : edge.child, format.share(edge.errors, edge.calls), format.duration(edge.p95_ns)]);
    assert.deepEqual(rows.map(([parent, child, , errors, p95]) => [parent, child, errors, p95]).sort(), expected.sort());
    assert.ok(rows.every(([, , rate]) => /^[\d.,]+\/(s|min|h|d)$/.test(rate)), String(rows));
    await shot("map-light");
    await page.emulateMedia({ colorScheme: "dark" });
    await shot("map-dark");
    await page.emulateMedia({ colorScheme: "light" });
  },

  async a_map_leads_by_keyboard_to_what_is_behind_it_and_keeps_its_time() {
    await open("/map");
    await page.locator('.call[aria-label^="edge → front:"]').focus();
    await soon(async () => assert.match(await page.locator(".said").innerText(), /^edge → front: .*1 call.*0 errors, p95 4\d/));
    await shot("map-call-light");
    await page.keyboard.press("Enter");
    await page.waitForURL((at) => at.pathname === "/" && at.searchParams.get("service") === "front");
    assert.equal(query().where, 'trace.service="edge"');
    await soon(async () => assert.equal(await page.locator(".result").count(), 1));
    assert.match(await page.locator(".result").innerText(), /POST \/order/);
    await page.goBack();
    await page.waitForSelector(".map svg");
    await page.selectOption(".fields select", "6h");
    await page.waitForURL(/range=6h/);
    await page.locator('.service[aria-label^="stock:"]').click();
    await page.waitForURL((at) => at.pathname === "/" && at.searchParams.get("service") === "stock" && at.searchParams.get("range") === "6h");
    await page.waitForSelector(".result");
    await page.getByRole("link", { name: "Map" }).click();
    await page.waitForSelector(".map svg");
    assert.deepEqual(query(), { range: "6h" });
    await page.getByRole("link", { name: "Traces" }).click();
    await page.waitForSelector(".result");
    assert.deepEqual(query(), { service: "stock", range: "6h" });
    const at = BigInt(Date.now() - 30000) * 1000000n;
    const span = (id, more) => ({ traceId: "f".repeat(31) + "2", spanId: id.repeat(16), name: "nameless", startTimeUnixNano: String(at), endTimeUnixNano: String(at + 1000000n), ...more });
    const spans = [span("1"), span("2", { parentSpanId: "1".repeat(16) })];
    await fetch(`${url}/api/tw/otlp/spans`, { method: "POST", body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }) });
    await open("/map");
    await page.locator('.service[aria-label^="(no name):"]').click();
    await page.waitForURL((there) => there.searchParams.get("where") === "!service");
    await soon(async () => assert.match(await page.locator(".results").innerText(), /nameless/));
    await open("/map?since=1000000000000000000&until=1000000060000000000");
    assert.match(await page.locator(".empty").innerText(), /No service called another/);
    await page.click("text=Look at all that is kept");
    await page.waitForSelector(".map svg");
  },

  async there_is_a_dark_theme_and_help() {
    await page.emulateMedia({ colorScheme: "dark" });
    await open("/");
    await page.waitForSelector(".heat canvas");
    assert.equal(await page.getAttribute("html", "data-theme"), "dark");
    await shot("list-dark");
    await open(`/trace/${SHOP}?span=0000000000000008`);
    await page.waitForSelector(".details .events");
    await shot("shop-dark");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await shot("help-dark");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Theme: system" }).click();
    await page.getByRole("button", { name: "Theme: dark" }).click();
    assert.equal(await page.getAttribute("html", "data-theme"), "light");
    await page.reload();
    await page.waitForSelector("canvas.rows");
    assert.equal(await page.getAttribute("html", "data-theme"), "light");
  },

  async a_small_window_and_what_is_not_there() {
    await page.setViewportSize({ width: 420, height: 760 });
    await open("/?order=slowest");
    await shot("list-small");
    await open(`/trace/${SHOP}?span=0000000000000008`);
    await page.waitForSelector(".details");
    await shot("shop-small");
    const { top, bottom } = await page.evaluate(() => document.querySelector(".details").getBoundingClientRect().toJSON());
    assert.ok(top < 600 && bottom <= 760.5, `details from ${top} to ${bottom} of 760`);
    const fits = async () => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 420, `${wide} wide`);
    };
    await fits();
    await open("/map");
    await shot("map-small");
    await fits();
    for (const [where, width] of [["/", 420], [`/trace/${LONG}`, 420], [`/trace/${LONG}?span=0000000000000002`, 420], [`/trace/${LONG}?span=0000000000000002`, 1280]]) {
      await page.setViewportSize({ width, height: 760 });
      await open(where);
      const right = await page.evaluate(() => Math.max(...[...document.querySelectorAll("a, button, h1, h2, dd, .chip, time")].map((one) => one.getBoundingClientRect().right)));
      assert.ok(right <= width, `${where}: ${right} of ${width}`);
      await shot(`long-${where === "/" ? "list" : "trace"}-${width}`);
    }
    await page.goto(`${url}/trace/${"1".repeat(32)}`);
    await page.waitForSelector(".empty");
    assert.match(await page.locator(".empty").innerText(), /No such trace/);
    await page.setViewportSize({ width: 1280, height: 800 });
    await open("/?where=name%3Dnothing");
    assert.match(await page.locator(".empty").innerText(), /No trace is like that[^]*Look through all of it/);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  faults.length = 0;
  try {
    await test();
    assert.deepEqual(faults, []);
    console.log(`passed ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}: ${error.message.split("\n").slice(0, 12).join("\n    ")}`);
    await shot(`failed-${name}`).catch(() => {});
  }
}
await context.close();
process.exit(failed);
