/** What samples are filled in with. */

/** Addresses, ids and secrets of a stream and whoever pushes to it. */
export interface SampleFacts {
  /** Address of the installation. */
  readonly url: string;
  /** Name of the stream. */
  readonly stream: string;
  /** Id of the branch. */
  readonly branch: string;
  /** A record that fits, as one line of JSON. */
  readonly record: string;
  /** How the access token is got: with an application's credentials, or it is a personal token. */
  readonly credential: "application" | "personal";
  readonly clientId: string;
  /** Empty once it is no longer known: then the sample takes it from the environment. */
  readonly secret: string;
  /** Address of a source that takes access tokens, for senders that speak no API. */
  readonly sourceUrl: string;
}

/** A text as a literal that Python, JavaScript and Java read alike. */
export function literal(text: string): string {
  return JSON.stringify(text);
}
