/** The reference of the API at `/docs`: made from the descriptors, open to everybody. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { useDeferredValue, useState } from "react";
import { Link } from "wouter";
import { TextField } from "../../parts/field.tsx";
import { commentOfMethod, commentOfService } from "../../parts/message-words.ts";
import { Page } from "../../parts/page.tsx";
import { CommandCall } from "./command-call.tsx";
import { FollowCall } from "./follow-call.tsx";
import { MessageReference } from "./message-reference.tsx";
import { SendCall } from "./send-call.tsx";
import { accessOf, httpForm, SERVICES } from "./services.ts";

/** How each kind of rpc is tried; those that take many messages, by a command. */
const CALLS: Partial<Record<DescMethod["methodKind"], typeof SendCall>> = {
  unary: SendCall,
  server_streaming: FollowCall,
};

/** The page. */
export default function Docs({
  params,
}: {
  readonly params: { readonly service?: string; readonly method?: string };
}) {
  const service = SERVICES.find(({ name }) => name === params.service);
  const method = service?.methods.find(({ name }) => name === params.method);
  if (service && method) return <MethodPage key={method.name} service={service} method={method} />;
  return <Overview />;
}

function Overview() {
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.toLowerCase().replace(/\s/g, ""));
  return (
    <Page title="API reference">
      <p>
        Each call below is made by gRPC, gRPC-Web, Connect or plain JSON at this address. The same
        as a document: <a href="/openapi.json">OpenAPI 3.1</a>.
      </p>
      <TextField label="Find a call" value={text} onChange={setText} />
      {SERVICES.map((service) => (
        <ServiceCard key={service.typeName} service={service} wanted={wanted} />
      ))}
    </Page>
  );
}

function ServiceCard(props: { readonly service: DescService; readonly wanted: string }) {
  const { service, wanted } = props;
  const methods = service.methods.filter(({ name }) =>
    `${service.name}/${name}`.toLowerCase().includes(wanted),
  );
  if (methods.length === 0) return null;
  return (
    <section className="card stack" aria-labelledby={service.name}>
      <h2 id={service.name}>{service.name}</h2>
      <p>{commentOfService(service)}</p>
      <ul>
        {methods.map((method) => (
          <li key={method.name}>
            <Link href={`/docs/${service.name}/${method.name}`}>{method.name}</Link>{" "}
            <code>{httpForm(method)}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

function MethodPage(props: { readonly service: DescService; readonly method: DescMethod }) {
  const { service, method } = props;
  const http = httpForm(method);
  return (
    <Page
      title={method.name}
      crumbs={[
        ["API reference", "/docs"],
        [service.name, `/docs#${service.name}`],
      ]}
    >
      <p>{commentOfMethod(method)}</p>
      <p>{accessOf(method)}</p>
      <dl>
        <dt>gRPC and Connect</dt>
        <dd>
          <code>
            POST /{service.typeName}/{method.name}
          </code>
        </dd>
        {http && (
          <>
            <dt>JSON</dt>
            <dd>
              <code>{http}</code>
            </dd>
          </>
        )}
      </dl>
      <TryIt method={method} />
      <section className="card stack" aria-labelledby="request">
        <h2 id="request">Request: {method.input.name}</h2>
        <MessageReference desc={method.input} />
      </section>
      <section className="card stack" aria-labelledby="response">
        <h2 id="response">Response: {method.output.name}</h2>
        <MessageReference desc={method.output} />
      </section>
    </Page>
  );
}

function TryIt({ method }: { readonly method: DescMethod }) {
  const Call = CALLS[method.methodKind] ?? CommandCall;
  return (
    <div className="card">
      <Call method={method} />
    </div>
  );
}
