"use strict";
/*
 * The baseline for accepting an order: npm "soap" serving our own WSDL over mutual TLS, with every signature checked by
 * "xml-crypto" before the call is answered. No XSD validation, no authorisation, no store, no signed answer.
 *
 * node verifying_server.cjs --wsdl FILE --tls-key PEM --tls-certificate PEM --ca PEM
 *
 * Prints the port it listens on, then serves until it is killed.
 */
const fs = require("fs");
const https = require("https");
const soap = require("soap");
const { SignedXml } = require("xml-crypto");
const { DOMParser } = require("@xmldom/xmldom");

const options = {};
const words = process.argv.slice(2);
for (let i = 0; i + 1 < words.length; i += 2) options[words[i].slice(2)] = words[i + 1];

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

const server = https.createServer({
  key: fs.readFileSync(options["tls-key"]),
  cert: fs.readFileSync(options["tls-certificate"]),
  ca: fs.readFileSync(options.ca),
  requestCert: true,
  rejectUnauthorized: true,
});
const answer = (request) => ({
  trans_id: request.trans_id,
  statusCode: "0",
  statusReason: "accepted",
  correlationId: "1",
  esiidsAsked: request.esiid.length,
  esiidsRefused: 0,
});
const port = { RequestIntervalData: answer, CancelRequest: answer };
server.listen(0, "127.0.0.1", () => {
  const wsdl = fs.readFileSync(options.wsdl, "utf8");
  const listening = soap.listen(server, {
    path: "/soap/MeterUsage",
    services: { MeterUsage: { MeterUsageSoap11: port, MeterUsageSoap12: port } },
    xml: wsdl,
    uri: options.wsdl,
    callback: () => console.log(server.address().port),
  });
  listening.log = (type, data) => {
    if (type === "received") verify(data);
  };
});
