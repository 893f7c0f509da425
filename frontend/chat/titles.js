/**
 * What people read in place of the names of services, tools and arguments, and what a tool changes (`/services`). The
 * operator declares it: no model, and no server of a tool, has a word in it. A name without a title has none here.
 */

export class Titles {
  #services = {};
  #reading;

  /** @param {Record<string, object>} [services] as the agent sends them */
  constructor(services = {}) {
    this.#services = services;
  }

  /** Reads them once. An agent that cannot be asked leaves all names without a title, and is asked again by the next reading. */
  read(request) {
    this.#reading ??= this.#read(request);
    return this.#reading;
  }

  async #read(request) {
    const { services } = await request('GET', '/services').catch(() => {}) ?? {};
    if (services) this.#services = services;
    else this.#reading = undefined;
  }

  /** @param {'en' | 'zh'} code */
  service(service, code) {
    return own(this.#services, service)?.title?.[code];
  }

  tool(service, tool, code) {
    return this.#tool(service, tool)?.title?.[code];
  }

  argument(service, tool, argument, code) {
    return own(this.#tool(service, tool)?.arguments, argument)?.[code];
  }

  /** Whether calls of the tool are declared to change nothing. */
  reads(service, tool) {
    return this.#tool(service, tool)?.effect === 'read';
  }

  /** Of a call that was never begun no service is recorded: then it is the only one that has the tool. */
  #tool(service, tool) {
    if (service) return own(own(this.#services, service)?.tools, tool);
    const having = Object.values(this.#services).map(({ tools }) => own(tools, tool)).filter(Boolean);
    return having.length === 1 ? having[0] : undefined;
  }
}

/** A member of an object by a name that anybody may have chosen. */
function own(members, name) {
  return members && Object.hasOwn(members, name ?? '') ? members[name] : undefined;
}
