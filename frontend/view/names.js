/**
 * The names of services, tools and arguments, as people read them: by the operator's titles, else technical. A technical
 * name has the look of code, so that no model can give a tool that does not exist the look of one that does.
 */

import { element } from './element.js';

/** The display name of a service; of one that is not known, a description. */
export function serviceName(language, service) {
  if (service === undefined || service === null) return language.text('service.unnamed');
  const title = language.titles.service(service, language.code);
  if (title !== undefined) return title;
  const key = `service.${service}`;
  return language.has(key) ? language.text(key) : String(service);
}

/** The name of a tool as text. */
export function toolName(language, { service, tool }) {
  return language.titles.tool(service, tool, language.code) ?? String(tool ?? '');
}

/** The same as an element, over which the technical name can be read. */
export function toolNameElement(language, { service, tool }) {
  const title = language.titles.tool(service, tool, language.code);
  if (title === undefined) return element('code', {}, tool);
  return element('span', { class: 'tool-title', title: technicalName({ service, tool }) }, title);
}

/**
 * The name of an argument, if the operator has given it one. None that is the name of another argument of the call, for
 * which a person could take it.
 */
export function argumentTitle(language, { service, tool, display = [] }, argument) {
  const title = language.titles.argument(service, tool, argument, language.code);
  const isAnothers = ({ name }) => name !== argument && name.toLowerCase() === title?.toLowerCase();
  return display.some(isAnothers) ? undefined : title;
}

/** A tool as policies and records name it. */
export function technicalName({ service, tool }) {
  return [service, tool].filter(Boolean).join('.');
}
