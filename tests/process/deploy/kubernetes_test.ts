/** deploy/kubernetes: against Kubernetes' own types, against each other, and its configuration against sluice. */

import { parse } from "yaml";
import { ConfigError } from "../../../lib/config/issue.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { requiredPermissions } from "../../../lib/config/permissions.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { execForm, parseContainerfile } from "./containerfile.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const FOLDER = `${ROOT}deploy/kubernetes/`;

// deno-lint-ignore no-explicit-any -- their shapes are checked by the compiler, in the first test
type Manifest = any;

function manifest(file: string): Manifest {
  return parse(Deno.readTextFileSync(FOLDER + file));
}

const KUSTOMIZATION = manifest("kustomization.yaml");
/** Kinds that Kubernetes itself knows. */
const FILES: readonly string[] = [...KUSTOMIZATION.resources, "secret.example.yaml"];
const DEPLOYMENT = manifest("deployment.yaml").spec;
const POD = DEPLOYMENT.template.spec;
const [CONTAINER] = POD.containers;
const LABELS = DEPLOYMENT.template.metadata.labels;
const SECRET = manifest("secret.example.yaml");
const TOML: string = manifest("configmap.yaml").data["config.toml"];

const CONTAINERFILE = parseContainerfile(Deno.readTextFileSync(`${ROOT}deploy/Containerfile`));

/** Where the container finds it. */
const CONFIG_PATH = "/etc/sluice/config.toml";

function load(env: Record<string, string>) {
  return loadConfig(CONFIG_PATH, {
    env: (name) => env[name],
    readTextFile: () => Promise.resolve(TOML),
    unsupported: new Set(), // nothing that the manifests use may wait for being built
  });
}
const LOADED = await load({ SLUICE_ADMIN_TOKEN: "0123456789abcdef0123456789abcdef" });

Deno.test("manifests: every field is one of Kubernetes, of the right type", async () => {
  const lines = FILES.flatMap((file, position) => {
    const object = manifest(file);
    const group = object.apiVersion.replace(".k8s.io", "");
    const module = `kubernetes-types/${group === "v1" ? "core/v1" : group}.d.ts`;
    return [
      `import type { ${object.kind} as Kind${position} } from "${module}";`,
      `export const object${position}: Kind${position} = ${JSON.stringify(object)}; // ${file}`,
    ];
  });
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/manifests.ts`, lines.join("\n"));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", `${ROOT}deno.json`, `${folder}/manifests.ts`],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("manifests: the kustomization lists all that exists but the optional ones", () => {
  const present = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  assertEquals(present, [...FILES, "kustomization.yaml", "podmonitor.yaml"].sort());
  assertEquals(KUSTOMIZATION.images[0].name, CONTAINER.image);
});

Deno.test("manifests: everything that selects pods selects those of the Deployment", () => {
  const selectors = {
    deployment: DEPLOYMENT.selector.matchLabels,
    spread: POD.topologySpreadConstraints[0].labelSelector.matchLabels,
    service: manifest("service.yaml").spec.selector,
    budget: manifest("disruption_budget.yaml").spec.selector.matchLabels,
    policy: manifest("network_policy.yaml").spec.podSelector.matchLabels,
    monitor: manifest("podmonitor.yaml").spec.selector.matchLabels,
  };
  for (const [name, selector] of Object.entries(selectors)) assertEquals(selector, LABELS, name);
  const { kind, apiVersion, name } = manifest("autoscaler.yaml").spec.scaleTargetRef;
  assertEquals(
    { kind, apiVersion, name },
    (({ kind, apiVersion, metadata }) => ({ kind, apiVersion, name: metadata.name }))(manifest("deployment.yaml")),
  );
});

Deno.test("manifests: at least two pods run, and their number belongs to the autoscaler alone", () => {
  assertEquals(DEPLOYMENT.replicas, undefined);
  assert(manifest("autoscaler.yaml").spec.minReplicas >= 2);
  assertEquals(DEPLOYMENT.strategy.rollingUpdate.maxUnavailable, 0);
});

Deno.test("manifests: named ports are those that the configuration listens on", () => {
  const ports = new Map<string, number>(CONTAINER.ports.map((port: Manifest) => [port.name, port.containerPort]));
  const { listeners, admin } = LOADED.config;
  const addresses = [...listeners.map(({ address }) => address), admin!.address];
  assertEquals(
    addresses.map((address) => address.kind === "tcp" ? [address.hostname, address.port] : []),
    [["0.0.0.0", ports.get("http")!], ["0.0.0.0", ports.get("admin")!]],
  );
  const used = [
    ...manifest("service.yaml").spec.ports.map((port: Manifest) => port.targetPort),
    ...manifest("network_policy.yaml").spec.ingress.flatMap(({ ports }: Manifest) => ports).map((p: Manifest) =>
      p.port
    ),
    ...manifest("podmonitor.yaml").spec.podMetricsEndpoints.map((endpoint: Manifest) => endpoint.port),
    ...["startupProbe", "livenessProbe", "readinessProbe"].map((probe) => CONTAINER[probe].httpGet.port),
  ];
  assertEquals(used.filter((name) => !ports.has(name)), []);
});

Deno.test("manifests: probes ask for life and for readiness", () => {
  assertEquals(
    ["startupProbe", "livenessProbe", "readinessProbe"].map((probe) => CONTAINER[probe].httpGet.path),
    ["/healthz", "/healthz", "/readyz"],
  );
});

Deno.test("manifests: a pod that ends has time to leave the Service and to drain", () => {
  const drainSeconds = LOADED.config.server.drainMs / 1000;
  const leaveSeconds = CONTAINER.lifecycle.preStop.sleep.seconds;
  assert(leaveSeconds >= 5);
  assert(POD.terminationGracePeriodSeconds >= leaveSeconds + drainSeconds + 5);
});

Deno.test("manifests: the pod passes the restricted pod security standard and writes nothing", () => {
  assertEquals(POD.securityContext.runAsNonRoot, true);
  assertEquals(POD.securityContext.seccompProfile.type, "RuntimeDefault");
  assertEquals(CONTAINER.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  const [user] = CONTAINERFILE.findLast(({ name }) => name === "USER")!.rest.split(":");
  assertEquals(POD.securityContext.runAsUser, Number(user));
  assertEquals(POD.automountServiceAccountToken, false);
});

Deno.test("manifests: the configuration is mounted as a folder, so that a reload sees it change", () => {
  const [mount] = CONTAINER.volumeMounts;
  assertEquals([mount.mountPath, mount.subPath], [CONFIG_PATH.slice(0, CONFIG_PATH.lastIndexOf("/")), undefined]);
  const [{ projected }] = POD.volumes.filter(({ name }: Manifest) => name === mount.name);
  assertEquals(projected.sources[0].configMap.name, manifest("configmap.yaml").metadata.name);
  assertEquals(projected.defaultMode, 0o440);
});

Deno.test("manifests: variables of the configuration come from keys that the Secret has", () => {
  const names = CONTAINER.env.map(({ name }: Manifest) => name);
  assertEquals(LOADED.envNames.filter((name) => !names.includes(name)), []);
  for (const { name, valueFrom: { secretKeyRef } } of CONTAINER.env) {
    assertEquals(secretKeyRef.name, SECRET.metadata.name, name);
    assert(secretKeyRef.key in SECRET.stringData, name);
  }
  const { credentials } = manifest("podmonitor.yaml").spec.podMetricsEndpoints[0].authorization;
  assertEquals([credentials.name, credentials.key in SECRET.stringData], [SECRET.metadata.name, true]);
});

Deno.test("manifests: the configuration is good, without a warning", () => {
  assertEquals(LOADED.warnings, []);
});

Deno.test("manifests: the example Secret, applied as it is, starts nothing", async () => {
  await assertRejects(() => load({ SLUICE_ADMIN_TOKEN: SECRET.stringData["admin-token"] }), ConfigError, "admin");
});

Deno.test("manifests: the image grants what the configuration needs", () => {
  const granted = execForm(CONTAINERFILE.findLast(({ name }) => name === "ENTRYPOINT")!.rest);
  const missing = requiredPermissions(LOADED.config, LOADED.files, { envNames: LOADED.envNames }).flatMap((flag) => {
    const [kind, list = ""] = flag.split("=");
    if (granted.includes(kind)) return [];
    const has = granted.find((word) => word.startsWith(`${kind}=`))?.slice(kind.length + 1).split(",") ?? [];
    return list.split(",").filter((value) => !has.includes(value)).map((value) => `${kind}=${value}`);
  });
  assertEquals(missing, []);
});
