import { describe, expect, test } from "vitest";
import { events, split } from "../src/lib/events";
import { greatest, half, tint } from "../src/lib/explain";
import { dayOf, folderOf, left, nameOf } from "../src/lib/format";
import { searchForm } from "../src/lib/forms";
import { groupsOf } from "../src/lib/groups";
import { NO_FILTERS, position, problem, where } from "../src/lib/where";
import type { QueryPhoto } from "../src/lib/types";

describe("filters", () => {
  test("become one expression", () => {
    expect(where(NO_FILTERS)).toBe("");
    const all = { folder: " o'neil ", from: "2020-01-02", to: "2021-12-31", at: "48.85, 2.29", km: 5 };
    expect(where(all)).toBe(
      "folder ~ 'o''neil' and taken >= 2020-01-02 and taken <= 2021-12-31 and gps within 5km of 48.85,2.29",
    );
  });

  test("say what is wrong with them", () => {
    expect(problem(NO_FILTERS)).toBe("");
    expect(problem({ ...NO_FILTERS, at: "Paris" })).toContain("two numbers");
    expect(problem({ ...NO_FILTERS, at: "1,2", km: 0 })).toContain("radius");
    expect(problem({ ...NO_FILTERS, from: "2021-01-01", to: "2020-01-01" })).toContain("after");
  });

  test("read positions with commas and blanks, and no others", () => {
    expect(position("48.85,2.29")).toEqual([48.85, 2.29]);
    expect(position(" -33.8 151.2 ")).toEqual([-33.8, 151.2]);
    for (const text of ["", "91,0", "0,181", "1,2,3", "a,b", "1,"]) expect(position(text)).toBeNull();
  });
});

describe("the form of a search", () => {
  const photo = (change: Partial<QueryPhoto>): QueryPhoto => ({
    key: 1, file: null, id: 7, name: "a.jpg", box: null, not: false, ...change,
  });
  const asked = { top: 24, where: "", minProbability: 0 };

  test("has a box for each photo, files before ids", () => {
    const file = new File(["x"], "b.jpg");
    const form = searchForm(
      [photo({ box: [0, 0, 0.5, 1] }), photo({ file, id: null, name: "b.jpg" }), photo({ id: 9, not: true })],
      asked,
    );
    expect(form.getAll("id")).toEqual(["7"]);
    expect((form.get("photo") as File).name).toBe("b.jpg");
    expect(form.getAll("box")).toEqual(["", "0%,0%,50%,100%"]);
    expect(form.getAll("not_id")).toEqual(["9"]);
    expect(form.get("together")).toBe("true");
  });

  test("says no more than was asked", () => {
    expect([...searchForm([photo({})], asked).keys()]).toEqual(["id", "top"]);
  });
});

describe("server-sent events", () => {
  test("are whole before they are read", () => {
    const { data, rest } = split('event: progress\ndata: {"done":1}\n\n: ping\n\ndata: a\r\ndata: b\r\n\r\ndata: {"d');
    expect(data).toEqual(['{"done":1}', "a\nb"]);
    expect(rest).toBe('data: {"d');
  });

  test("come from a stream cut anywhere", async () => {
    const bytes = new TextEncoder().encode("data: é1\n\ndata: 2\n\n");
    const body = new ReadableStream<Uint8Array>({
      start(to) {
        for (const byte of bytes) to.enqueue(new Uint8Array([byte]));
        to.close();
      },
    });
    const got: string[] = [];
    for await (const each of events(body)) got.push(each);
    expect(got).toEqual(["é1", "2"]);
  });
});

describe("why", () => {
  test("half of the similarity comes from the fewest parts that make it", () => {
    expect(half({ h: 1, w: 4, values: [0.6, 0.2, 0.1, 0.1] })).toBe(0.25);
    expect(half({ h: 1, w: 4, values: [0.25, 0.25, 0.25, 0.25] })).toBe(0.5);
    expect(half({ h: 1, w: 1, values: [-1] })).toBeNull();
  });

  test("amber speaks for it, blue against", () => {
    const map = { h: 1, w: 3, values: [0.5, -0.25, 0] };
    const pixels = new Uint8ClampedArray(12);
    tint(map.values, greatest(map), pixels);
    expect(pixels[0]).toBe(255);
    expect(pixels[6]).toBe(255);
    expect(pixels[3]).toBeGreaterThan(pixels[7]!);
    expect(pixels[11]).toBe(0);
  });
});

test("names, folders, days and times are short", () => {
  expect([nameOf("a/b/c.jpg"), folderOf("a/b/c.jpg"), folderOf("c.jpg")]).toEqual(["c.jpg", "a/b", ""]);
  expect([dayOf("2019-07-12T18:30:00+02:00"), dayOf(null)]).toEqual(["2019-07-12", ""]);
  expect([left(0.2), left(90), left(9000)]).toEqual(["1 s left", "2 min left", "3 h left"]);
});

test("places say when, copies in which sense", () => {
  const places = [
    { cover: 3, photos: [{ id: 3 }, { id: 1 }], first: "2019-07-12T18:30:00", last: "2020-01-02T08:00:00" },
    { cover: 4, photos: [{ id: 4 }, { id: 5 }], first: null, last: null },
  ];
  expect(groupsOf({ places, alone: [9] })).toEqual([
    { note: "2019-07-12 to 2020-01-02", ids: [3, 1] },
    { note: "", ids: [4, 5] },
  ]);
  const groups = [{ rung: "picture", keep: 7, photos: [{ id: 7 }, { id: 8 }] }];
  expect(groupsOf({ groups })).toEqual([{ note: "the same picture, saved anew", ids: [7, 8] }]);
  expect(groupsOf({})).toEqual([]);
});
