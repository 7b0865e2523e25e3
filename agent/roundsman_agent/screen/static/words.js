// Message catalogues by language. A test holds them complete: nothing falls back to another language in a van.
import de from "./words/de.js";
import en from "./words/en.js";
import es from "./words/es.js";
import fr from "./words/fr.js";

export const LANGUAGES = { en, de, es, fr };

export function words(language) {
  const table = LANGUAGES[language] ?? en;
  return (key, ...values) => table[key].replace(/\{(\d)\}/g, (_, index) => values[index]);
}
