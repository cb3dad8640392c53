"use strict";
/*
 * The baseline for small signed calls: npm "soap" serving our Connectivity WSDL over mutual TLS in as many processes as
 * are asked for, every signature checked by "xml-crypto" before the call is answered; with --sign-key the answer is
 * signed by "xml-crypto" too. No XSD validation, no registered certificates, no store.
 *
 * node ping_server.cjs --processes N --wsdl FILE --tls-key PEM --tls-certificate PEM --ca PEM
 *                      [--sign-key PEM --sign-certificate PEM]
 *
 * Prints the port it listens on, then serves until it is killed.
 */
const cluster = require("cluster");
const crypto = require("crypto");
const fs = require("fs");
const https = require("https");
const soap = require("soap");
const { SignedXml } = require("xml-crypto");
const { DOMParser } = require("@xmldom/xmldom");

const options = {};
const words = process.argv.slice(2);
for (let i = 0; i + 1 < words.length; i += 2) options[words[i].slice(2)] = words[i + 1];

const WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const TOKEN = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
const BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";

function verify(xml) {
  const document = new DOMParser().parseFromString(xml, "text/xml");
  const [signature] = Array.from(document.getElementsByTagNameNS("http://www.w3.org/2000/09/xmldsig#", "Signature"));
  const [token] = Array.from(document.getElementsByTagNameNS("*", "BinarySecurityToken"));
  const lines = token.textContent.replace(/\s/g, "").match(/.{1,64}/g).join("\n");
  const publicCert = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  const signed = new SignedXml({ publicCert, idMode: "wssecurity" });
  signed.loadSignature(signature);
  if (!signed.checkSignature(xml)) throw new Error("the signature is not valid");
}

const key = options["sign-key"] && fs.readFileSync(options["sign-key"]);
const token =
  key && fs.readFileSync(options["sign-certificate"], "utf8").replace(/-----[A-Z ]+-----/g, "").replace(/\s/g, "");

function sign(xml) {
  const now = new Date();
  const end = new Date(now.getTime() + 300000);
  const id = crypto.randomUUID();
  const header =
    `<soap:Header><wsse:Security xmlns:wsse="${WSSE}" xmlns:wsu="${WSU}">` +
    `<wsse:BinarySecurityToken EncodingType="${BASE64}" ValueType="${TOKEN}" wsu:Id="X-${id}">${token}` +
    `</wsse:BinarySecurityToken><wsu:Timestamp wsu:Id="T-${id}"><wsu:Created>${now.toISOString()}</wsu:Created>` +
    `<wsu:Expires>${end.toISOString()}</wsu:Expires></wsu:Timestamp></wsse:Security></soap:Header>`;
  const body = `<soap:Body xmlns:wsu="${WSU}" wsu:Id="B-${id}">`;
  const envelope = xml.replace(/<soap:Header\/>|<soap:Header><\/soap:Header>/, "").replace("<soap:Body>", header + body);
  const signer = new SignedXml({
    privateKey: key,
    idMode: "wssecurity",
    signatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    canonicalizationAlgorithm: EXCLUSIVE,
    getKeyInfoContent: () =>
      `<wsse:SecurityTokenReference><wsse:Reference URI="#X-${id}" ValueType="${TOKEN}"/></wsse:SecurityTokenReference>`,
  });
  for (const part of ["Body", "Timestamp"])
    signer.addReference({
      xpath: `//*[local-name(.)='${part}']`,
      transforms: [EXCLUSIVE],
      digestAlgorithm: "http://www.w3.org/2001/04/xmlenc#sha256",
    });
  signer.computeSignature(envelope, { location: { reference: "//*[local-name(.)='Security']", action: "append" } });
  return signer.getSignedXml();
}

if (cluster.isPrimary) {
  const ports = new Set();
  let ready = 0;
  for (let i = 0; i < Number(options.processes); i += 1) {
    cluster.fork().on("message", (port) => {
      ports.add(port);
      if (++ready === Number(options.processes)) console.log([...ports][0]);
    });
  }

} else {
  const server = https.createServer({
    key: fs.readFileSync(options["tls-key"]),
    cert: fs.readFileSync(options["tls-certificate"]),
    ca: fs.readFileSync(options.ca),
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.keepAliveTimeout = 60000;
  const certificate = { subject: "CN=somebody", fingerprint: "0".repeat(64), expiresAt: "2030-01-01T00:00:00Z" };
  const port = {
    Ping: (request) => ({
      trans_id: request.trans_id,
      statusCode: "0",
      statusReason: "You are known",
      companyName: "Pecan Energy",
      dunsNumber: ["111111111"],
      tlsCertificate: certificate,
      signingCertificate: certificate,
      hubTime: new Date().toISOString(),
      clockSkewSeconds: "0.001",
      environment: "sandbox",
    }),
  };
  server.listen(0, "127.0.0.1", () => {
    const listening = soap.listen(server, {
      path: "/soap/Connectivity",
      services: { Connectivity: { ConnectivitySoap11: port, ConnectivitySoap12: port } },
      xml: fs.readFileSync(options.wsdl, "utf8"),
      uri: options.wsdl,
      callback: () => process.send(server.address().port),
    });
    listening.log = (type, data) => {
      if (type === "received") verify(data);
    };
    if (key)
      listening.on("response", (response) => {
        response.result = sign(response.result);
      });
  });
}
