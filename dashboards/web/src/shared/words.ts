/** Message catalogues: flat JSON, one file a language, `{name}` where something is put in; `key.one` and `key.other` where a number decides. */

export type Catalogue<Key extends string> = Readonly<Record<Key, string>>;
export type Values = Readonly<Record<string, string | number>>;

/** A message with its values put in. */
export const filled = (text: string, values: Values = {}): string => text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));

/** The reader's language among those there are: the browser's first that fits, else the first of all. */
export function chosen<L extends string>(languages: readonly L[], asked: readonly string[]): L {
  for (const tag of asked) {
    const found = languages.find((language) => tag.toLowerCase().split("-")[0] === language);
    if (found) return found;
  }
  return languages[0]!;
}
