/** Stub. */
export default function Usage(_props: { readonly project: string }) {
  return null;
}
