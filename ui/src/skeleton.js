/* skeleton: a trace as the collector packs it (docs/api.md, form=packed): the columns of the JSON form as typed arrays, from a third
 * of the bytes, and without an array of boxed numbers for each. No DOM: node can run it.
 *
 * Numbers are 7 bits a byte, exact to 2^53 ns, which are a hundred days. */

const CUT = "The answer of the collector is cut off.";

export function unpack(buffer) {
  const bytes = new Uint8Array(buffer);
  let at = 4 + (bytes.length < 4 ? Infinity : new DataView(buffer).getUint32(0, true));
  if (!(at <= bytes.length)) throw new Error(CUT);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, at))),
    count = head.rows;
  if (!(count * 8 <= bytes.length - at)) throw new Error(CUT);
  const parent = new Int32Array(count),
    start = new Float64Array(count),
    duration = new Float64Array(count),
    name = new Int32Array(count),
    service = new Int32Array(count),
    kind = new Uint8Array(count),
    flags = new Uint8Array(count),
    critical = new Float64Array(count);
  const number = () => {
    let byte = bytes[at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[at++];
      value += (byte & 127) * scale;
    }
    return value;
  };
  for (let i = 0, begin = 0; i < count; i++) {
    const back = number(),
      step = number();
    parent[i] = back ? head.from + i - back : -1;
    start[i] = begin += step % 2 ? -(step + 1) / 2 : step / 2;
    duration[i] = number();
    name[i] = number();
    service[i] = number();
    kind[i] = number();
    flags[i] = number();
    critical[i] = number();
  }
  if (at !== bytes.length) throw new Error(CUT);
  return { ...head, columns: { parent, start, duration, name, service, kind, flags, critical } };
}
