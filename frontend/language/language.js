/** The page's words, in the language of the person. */

import { en } from './en.js';
import { enErrors } from './en-errors.js';
import { Titles } from '../chat/titles.js';
import { printable } from '../printable.js';

/** Language code → key → message, of the languages that were loaded. English is there from the beginning. */
export const MESSAGES = { en: Object.freeze({ ...en, ...enErrors }) };
/** Modules that are loaded when a person needs them. */
const MORE = {
  zh: async () => ({ ...(await import('./zh.js')).zh, ...(await import('./zh-errors.js')).zhErrors }),
};
const KEY = 'idaas-agent.language';

/** The languages that the page speaks: code → its own name. */
export const LANGUAGES = Object.freeze({ en: 'English', zh: '中文' });

/** Loads the messages of a language, once. If they cannot be loaded, the language is English. @returns {Promise<Language>} */
export async function loaded(code) {
  try {
    MESSAGES[code] ??= Object.freeze(await MORE[code]());
  } catch {
    return new Language('en');
  }
  return new Language(code);
}

export class Language {
  /**
   * @param {'en' | 'zh'} code of a language that was `loaded`
   * @param {Titles} titles what people read in place of technical names
   */
  constructor(code, titles = new Titles()) {
    this.code = code;
    this.titles = titles;
    this.messages = MESSAGES[code];
  }

  /**
   * The message at `key`, with each `{name}` replaced from `values`. Values are text, printable and never markup. Latin ones are apart
   * from the Chinese characters beside them.
   */
  text(key, values = {}) {
    const message = this.messages[key] ?? key;
    return message.replace(/(\p{Script=Han}?)\{(\w+)\}(?=(\p{Script=Han}?))/gu, (placeholder, before, name, after) => {
      const value = printable(String(values[name] ?? placeholder.slice(before.length)));
      return `${before}${before && /^\w/.test(value) ? ' ' : ''}${value}${after && /\w$/.test(value) ? ' ' : ''}`;
    });
  }

  /** The text with the full stop of the language. */
  sentence(text) {
    return text + (this.code === 'zh' ? '。' : '.');
  }

  /** Sentences one after the other: Chinese has no space between them. */
  sentences(...texts) {
    return texts.filter(Boolean).join(this.code === 'zh' ? '' : ' ');
  }

  has(key) {
    return key in this.messages;
  }

  list(items) {
    return new Intl.ListFormat(this.code, { type: 'conjunction' }).format(items);
  }

  number(value) {
    return new Intl.NumberFormat(this.code, { maximumFractionDigits: 0 }).format(value);
  }

  /** A fraction from 0 to 1, as "40%". */
  percent(fraction) {
    return new Intl.NumberFormat(this.code, { style: 'percent' }).format(fraction);
  }

  /** A time of day, such as 14:32. */
  time(milliseconds) {
    return new Intl.DateTimeFormat(this.code, { hour: '2-digit', minute: '2-digit' }).format(milliseconds);
  }

  /** A moment that is to come: its time, with the date unless it is of today. */
  until(milliseconds, now = Date.now()) {
    const today = new Date(milliseconds).toDateString() === new Date(now).toDateString();
    const day = today ? {} : { day: 'numeric', month: 'short' };
    return new Intl.DateTimeFormat(this.code, { ...day, hour: '2-digit', minute: '2-digit' }).format(milliseconds);
  }

  /** A moment: its time if it is of today, otherwise its date. */
  moment(milliseconds, now = Date.now()) {
    const day = (time) => new Date(time).toDateString();
    if (day(milliseconds) === day(now)) return this.time(milliseconds);
    const year = new Date(milliseconds).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric';
    return new Intl.DateTimeFormat(this.code, { day: 'numeric', month: 'short', year }).format(milliseconds);
  }

  /** A moment within its group of days (`dayGroup`): its time, its weekday or its date. */
  momentIn(group, milliseconds, now = Date.now()) {
    if (group === 'older') return this.moment(milliseconds, now);
    if (group === 'week') return new Intl.DateTimeFormat(this.code, { weekday: 'long' }).format(milliseconds);
    return this.time(milliseconds);
  }

  /** A moment with its whole date and its time. */
  date(milliseconds) {
    return new Intl.DateTimeFormat(this.code, { dateStyle: 'long', timeStyle: 'short' }).format(milliseconds);
  }

  /** A day: its weekday and date, with the year unless it is this one. */
  day(milliseconds, now = Date.now()) {
    const year = new Date(milliseconds).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric';
    return new Intl.DateTimeFormat(this.code, { weekday: 'long', day: 'numeric', month: 'long', year }).format(milliseconds);
  }

  /** A time to wait: "45 seconds", "12 minutes", "2.5 hours". */
  wait(seconds) {
    let [value, unit] = seconds <= 90 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
    if (seconds >= 7200) [value, unit] = [seconds / 3600, 'hour'];
    return this.#unit(value, { unit, unitDisplay: 'long', maximumFractionDigits: 1 });
  }

  /** A duration of a call: "85 ms", "1.2 s". */
  duration(milliseconds) {
    const [value, unit, digits] = milliseconds < 1000 ? [milliseconds, 'millisecond', 0] : [milliseconds / 1000, 'second', 1];
    return this.#unit(value, { unit, unitDisplay: 'short', maximumFractionDigits: digits });
  }

  /** Chinese units are apart from their number, as in the messages. */
  #unit(value, options) {
    return new Intl.NumberFormat(this.code, { style: 'unit', ...options }).format(value).replace(/(\d)(?=\p{Script=Han})/u, '$1 ');
  }
}

/** The language chosen here before, else the configured one, else the first of the browser's that the page speaks. */
export function preferredLanguage({ configured, storage, browser = [] }) {
  const isSpoken = (code) => Object.hasOwn(LANGUAGES, code ?? '');
  const chosen = storage?.getItem(KEY);
  if (isSpoken(chosen)) return loaded(chosen);
  const spoken = browser.map((tag) => tag.toLowerCase().split('-')[0]).find(isSpoken);
  return loaded(isSpoken(configured) ? configured : spoken ?? 'en');
}

/** Remembers the person's choice for later visits. */
export function chooseLanguage(code, storage) {
  storage?.setItem(KEY, code);
  return loaded(code);
}
