/** Stub. */
export default function Settings(_props: { readonly project: string }) {
  return null;
}
