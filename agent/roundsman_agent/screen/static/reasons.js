// Why a plan changed, and what, in the driver's language: the hub sends codes beside its English words.
import de from "./reasons/de.js";
import en from "./reasons/en.js";
import es from "./reasons/es.js";
import fr from "./reasons/fr.js";

const TABLES = { en, de, es, fr };

// tell(sentences, words): the sentences by this catalogue; the hub's own words where one of them is of a later release.
export function teller(language) {
  const table = TABLES[language] ?? en;
  const known = (one) => one.code === "" || (one.code in table && Object.values(one.params).every((value) => typeof value === "string" || value.every(known)));
  const one = (said) => (said.code === "" ? said.params.text : table[said.code].replace(/\{(\w+)\}/g, (_, name) => fill(name, said.params[name] ?? "")));
  const fill = (name, value) => (typeof value === "string" ? (table[`${name}.${value}`] ?? value) : several(value));
  const several = (said) => said.map(one).join("; ");
  return (said, words) => (said?.length && said.every(known) ? several(said) : words);
}
