/** The filters' controls as one expression of `--where`. */

export interface Filters {
  folder: string;
  from: string;
  to: string;
  /** Latitude and longitude in degrees, with a comma between. */
  at: string;
  km: number;
}

export const NO_FILTERS: Filters = { folder: "", from: "", to: "", at: "", km: 5 };

/** A latitude and longitude, null where the text is none. */
export function position(text: string): [number, number] | null {
  const parts = text.trim().split(/\s*[,;\s]\s*/);
  if (parts.length !== 2 || parts.some((part) => part === "")) return null;
  const [latitude, longitude] = parts.map(Number) as [number, number];
  if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) return null;
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? [latitude, longitude] : null;
}

/** What is wrong with the filters, in words; empty where nothing is. */
export function problem(filters: Filters): string {
  if (filters.at.trim() !== "") {
    if (position(filters.at) === null) return "A position is two numbers: 48.85, 2.29";
    if (!(filters.km > 0)) return "The radius is a number of kilometres above 0";
  }
  if (filters.from !== "" && filters.to !== "" && filters.from > filters.to)
    return "The first day comes after the last";
  return "";
}

/** The expression, empty without filters. */
export function where(filters: Filters): string {
  const terms: string[] = [];
  const folder = filters.folder.trim();
  if (folder !== "") terms.push(`folder ~ '${folder.replaceAll("'", "''")}'`);
  if (filters.from !== "") terms.push(`taken >= ${filters.from}`);
  if (filters.to !== "") terms.push(`taken <= ${filters.to}`);
  const at = position(filters.at);
  if (at !== null && filters.km > 0) terms.push(`gps within ${filters.km}km of ${at[0]},${at[1]}`);
  return terms.join(" and ");
}
