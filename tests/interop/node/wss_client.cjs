"use strict";
/*
 * A SOAP client on npm "soap", as a REP might write one: signs by WSSecurityCert, calls over mutual TLS, and verifies
 * the answer with xml-crypto. Run where "soap" and "xml-crypto" are installed (NODE_PATH may name the folder).
 *
 * node wss_client.cjs --wsdl FILE --operation NAME --arguments FILE.json --endpoint URL
 *      --signing-key PEM --signing-certificate PEM --tls-key PEM --tls-certificate PEM --ca PEM --hub-certificate PEM
 *      [--port NAME] [--soap12 yes] [--request-out FILE] [--answer-out FILE] [--defaults yes]
 *
 * --port names a port of the WSDL (its first one otherwise). --defaults yes leaves soap's own defaults: a bare Id and
 * the enveloped-signature transform. Prints the answer as JSON. Exit code 0: answered, and the answer's signature over
 * Body and Timestamp is the hub's. Exit code 2: the hub answered with a signed fault, printed to standard error.
 */
const fs = require("fs");
const https = require("https");
const soap = require("soap");
const { SignedXml } = require("xml-crypto");

const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";
const RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";

function readOptions(words) {
  const options = {};
  for (let i = 0; i + 1 < words.length; i += 2) options[words[i].slice(2)] = words[i + 1];
  return options;
}

class SignedOverMutualTls {
  constructor(options) {
    const signing = options.defaults === "yes" ? {} : {
      signatureAlgorithm: RSA_SHA256,
      digestAlgorithm: SHA256,
      signatureTransformations: [EXCLUSIVE],
      signerOptions: { idMode: "wssecurity" },
    };
    const read = (name) => fs.readFileSync(options[name]);
    this.signer = new soap.WSSecurityCert(read("signing-key"), read("signing-certificate").toString(), "", signing);
    this.agent = new https.Agent({ key: read("tls-key"), cert: read("tls-certificate"), ca: read("ca") });
  }
  addOptions(request) {
    request.httpsAgent = this.agent;
  }
  postProcess(xml, envelopeKey) {
    return this.signer.postProcess(xml, envelopeKey);
  }
}

function verify(xml, certificate) {
  const { DOMParser } = require("@xmldom/xmldom");
  const document = new DOMParser().parseFromString(xml, "text/xml");
  const found = document.getElementsByTagNameNS("http://www.w3.org/2000/09/xmldsig#", "Signature");
  if (found.length !== 1) throw new Error(`the answer has ${found.length} signatures; expected 1`);
  const signed = new SignedXml({ publicCert: certificate, idMode: "wssecurity" });
  signed.loadSignature(found[0]);
  if (!signed.checkSignature(xml)) throw new Error("the answer's signature is not valid");
  const parts = signed.getSignedReferences().map((part) => /^<(?:[^\s:>]+:)?([^\s>]+)/.exec(part)[1]).sort();
  if (parts.join() !== "Body,Timestamp") throw new Error(`the answer signs ${parts}; expected Body and Timestamp`);
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  const hub = fs.readFileSync(options["hub-certificate"], "utf8");
  const settings = { forceSoap12Headers: options.soap12 === "yes" };
  const client = await soap.createClientAsync(options.wsdl, settings, options.endpoint);
  client.setSecurity(new SignedOverMutualTls(options));
  const values = JSON.parse(fs.readFileSync(options.arguments, "utf8"));
  const services = client.describe();
  const port = options.port || Object.keys(Object.values(services)[0])[0];
  const service = Object.keys(services).find((name) => services[name][port]);
  if (!service) throw new Error(`the WSDL has no port ${port}`);
  let answer = null;
  let fault = null;
  try {
    answer = await new Promise((resolve, reject) => {
      client[service][port][options.operation](values, (error, result) => (error ? reject(error) : resolve(result)));
    });
  } catch (error) {
    fault = error;
  }
  if (options["request-out"]) fs.writeFileSync(options["request-out"], client.lastRequest);
  if (!client.lastResponse) throw fault;
  if (options["answer-out"]) fs.writeFileSync(options["answer-out"], client.lastResponse);
  verify(client.lastResponse, hub);
  if (fault) {
    console.error(fault.message);
    process.exit(2);
  }
  console.log(JSON.stringify(answer));
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
