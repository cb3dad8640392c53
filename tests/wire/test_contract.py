"""The published contract: what Spyne would publish means the same, and clients can read it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema
import zeep
from lxml import etree
from running_gate import ESIID, ROOT, cancel, hub, ping, usage  # noqa: F401
from running_gate import HEADER as HEAD

# the shim must be imported before Spyne
from adapters.soap import spyne_compat  # noqa: F401

from spyne import Application, ServiceBase, rpc  # isort: skip
from spyne.interface.wsdl import Wsdl11  # isort: skip
from spyne.protocol.soap import Soap11  # isort: skip

from adapters.soap.contract import Contract
from adapters.soap.gate import _with_address
from adapters.tdsp import model as tdsp_model
from smt_ws.soap import model

#: Those that the running gate of these tests serves.
SERVED = ["MeterUsage", "ReportRequestStatus", "Connectivity"]
SERVICES = [
    *SERVED,
    "Subscription",
    "CSPAuthorization",
    "PremiseInformation",
    "MeterInformation",
    "HANProvisioning",
    "HANMessaging",
    "RequesterCallback",
    "TDSPCallback",
    "TDSPHan",
]
XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


def _contract(service: str) -> Contract:
    return Contract(ROOT / "wsdl" / f"{service}.wsdl", ROOT / "xsd" / f"{service}.xsd")


def _generated(service: str, folder: Path) -> tuple[Path, dict[str, tuple[str, str]]]:
    """Write what Spyne makes of the models; return the schema's file and each operation's two elements."""
    contract = _contract(service)
    methods = {}
    for operation in contract.operations:

        def method(ctx, request):
            raise NotImplementedError

        method.__name__ = operation
        models = tdsp_model if service == "TDSPHan" else model
        request, response = getattr(models, operation), getattr(models, f"{operation}Response")
        methods[operation] = rpc(request, _returns=response, _body_style="bare")(method)
    application = Application(
        [type(service, (ServiceBase,), methods)],
        tns=contract.namespace,
        name=service,
        in_protocol=Soap11(),
        out_protocol=Soap11(),
    )
    document = Wsdl11(application.interface)
    document.build_interface_document("https://localhost/")
    wsdl = etree.fromstring(document.get_interface_document())
    assert b"spyne." not in etree.tostring(wsdl), "a relative namespace URI would break every canonicalisation"
    schemas = {schema.get("targetNamespace"): schema for schema in wsdl.iter(f"{XS}schema")}
    files = {namespace: folder / f"{number}.xsd" for number, namespace in enumerate(sorted(schemas))}
    for namespace, schema in schemas.items():
        for import_ in schema.iterfind(f"{XS}import"):
            import_.set("schemaLocation", files[import_.get("namespace")].name)
        # serialised and parsed anew: prefixes used only in attribute values get lost in a deep copy
        files[namespace].write_bytes(etree.tostring(schema))
    messages = {}
    for message in wsdl.iter(f"{WSDL}message"):
        messages[message.get("name")] = message.find(f"{WSDL}part").get("element").partition(":")[2]
    pairs = {name: (messages[name], messages[f"{name}Response"]) for name in contract.operations}
    return files[contract.namespace], pairs


def _meaning(component) -> object:
    """Reduce an element or attribute to plain data: what may stand there, not how its types are called."""
    type_ = component.type
    if type_.is_simple():
        return _simple(type_)
    attributes = {name: (attribute.use, _simple(attribute.type)) for name, attribute in type_.attributes.items()}
    members = [
        (child.name, child.min_occurs, child.max_occurs, bool(child.nillable), child.default, _meaning(child))
        for child in type_.content.iter_elements()
    ]
    return {"attributes": attributes, "members": members}


def _simple(type_) -> dict[str, object]:
    patterns = list(type_.patterns.regexps) if type_.patterns else []
    return {
        "base": type_.root_type.local_name,
        "patterns": patterns,
        "values": [str(value) for value in type_.enumeration or []],
        "length": (type_.min_length, type_.max_length),
        "range": (type_.min_value, type_.max_value),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_what_spyne_would_publish_means_the_same_as_what_is_published(service, tmp_path):
    path, pairs = _generated(service, tmp_path)
    generated, published = xmlschema.XMLSchema(str(path)), xmlschema.XMLSchema(str(ROOT / "xsd" / f"{service}.xsd"))
    for operation, (request, response) in pairs.items():
        assert (request, response) == (operation, f"{operation}Response")
        for name in (request, response):
            assert _meaning(generated.elements[name]) == _meaning(published.elements[name]), name


def test_the_comparison_sees_a_planted_difference(tmp_path):
    path, _ = _generated("MeterUsage", tmp_path)
    text = path.read_text()
    name = "RequestIntervalData"
    honest = _meaning(xmlschema.XMLSchema(text, base_url=str(tmp_path)).elements[name])
    for old, new in (
        ('maxOccurs="unbounded"', 'maxOccurs="50000"'),
        ("[0-9]{17}", "[0-9]{16}"),
        ('default="L"', 'default="A"'),
        ('<xs:enumeration value="LSE"/>', ""),
    ):
        assert old in text
        planted = xmlschema.XMLSchema(text.replace(old, new), base_url=str(tmp_path))
        assert _meaning(planted.elements[name]) != honest, old


def _request(service: str, operation: str, rest: str = "") -> str:
    return f'<m:{operation} xmlns:m="urn:smt-ws:{service}:1">{HEAD.format(trans_id="t-1")}{rest}</m:{operation}>'


_CARRIED = (
    "<m:category>STM</m:category><m:cluster>0703</m:cluster><m:frame>092B01A1C8000000</m:frame>"
    f"<m:target><m:esiid>{ESIID}</m:esiid><m:meterSerialNumber>1LG</m:meterSerialNumber></m:target>"
)


def _callback(operation: str, rest: str) -> str:
    head = (
        "<m:trans_id>t-1</m:trans_id><m:dunsNumber>111111111</m:dunsNumber>"
        "<m:happenedAt>2026-11-20T15:00:00Z</m:happenedAt><m:correlationId>17</m:correlationId>"
    )
    return f'<m:{operation} xmlns:m="urn:smt-ws:RequesterCallback:1">{head}{rest}</m:{operation}>'


def _han(operation: str, rest: str) -> str:
    head = (
        "<m:trans_id>t-1</m:trans_id><m:requestorID>han</m:requestorID><m:tdspDUNSNumber>103994067</m:tdspDUNSNumber>"
    )
    return f'<m:{operation} xmlns:m="urn:smt-ws:TDSPHan:1">{head}{rest}</m:{operation}>'


@pytest.mark.parametrize("service", SERVICES)
def test_both_schemas_judge_a_corpus_alike(service, tmp_path):
    path, _ = _generated(service, tmp_path)
    generated = etree.XMLSchema(etree.parse(path))
    published = etree.XMLSchema(etree.parse(ROOT / "xsd" / f"{service}.xsd"))
    good = {
        "MeterUsage": [usage([ESIID]), usage([ESIID + "12345"] * 3), cancel()],
        "Connectivity": [ping()],
        "ReportRequestStatus": [
            cancel().replace("CancelRequest", "GetStatus").replace("MeterUsage", service),
            _request(
                service,
                "MissingUsage",
                f"<m:startDate>01/01/2026</m:startDate><m:endDate>01/31/2026</m:endDate><m:esiid>{ESIID}</m:esiid>",
            ),
        ],
        "Subscription": [
            _request(service, "MySubscriptions"),
            _request(service, "UnSubscription", "<m:subscriptionId>17</m:subscriptionId>"),
            _request(
                service, "NewSubscription", "<m:dataType>INTERVAL</m:dataType><m:reportFormat>LSE</m:reportFormat>"
            ),
        ],
        "PremiseInformation": [_request(service, "GetPremiseInformation", f"<m:esiid>{ESIID}</m:esiid>" * 2)],
        "MeterInformation": [_request(service, "GetMeterInformation", f"<m:esiid>{ESIID}</m:esiid>")],
        "HANProvisioning": [
            _request(
                service,
                "ProvisionDevice",
                f"<m:esiid>{ESIID}</m:esiid><m:meterSerialNumber>1</m:meterSerialNumber>"
                "<m:deviceMACAddr>00:0D:6F:00:0A:BC:DE:F0</m:deviceMACAddr>"
                "<m:installCode>83FED3407A932B70</m:installCode><m:deviceType>PCT</m:deviceType>",
            ),
            _request(
                service,
                "DeprovisionDevice",
                f"<m:esiid>{ESIID}</m:esiid><m:meterSerialNumber>1</m:meterSerialNumber>"
                "<m:deviceMACAddr>000D6F000ABCDEF0</m:deviceMACAddr>",
            ),
            _request(
                service, "GetDevices", f"<m:esiid>{ESIID}</m:esiid>" * 2 + "<m:includeHistory>true</m:includeHistory>"
            ),
        ],
        "HANMessaging": [
            _request(
                service,
                "SendTextMessage",
                "<m:messageText>Peak day</m:messageText><m:priority>HIGH</m:priority>"
                "<m:startTime>2026-11-20T21:00:00Z</m:startTime><m:durationMinutes>60</m:durationMinutes>"
                f"<m:esiid>{ESIID}</m:esiid>",
            ),
            _request(
                service,
                "SendLoadControlEvent",
                "<m:criticalityLevel>2</m:criticalityLevel><m:durationMinutes>1441</m:durationMinutes>"
                f"<m:coolingOffset>2.0</m:coolingOffset><m:esiid>{ESIID}</m:esiid>",
            ),
            _request(
                service,
                "SendPrice",
                f"<m:providerId>123456789</m:providerId><m:price>0.1875</m:price><m:esiid>{ESIID}</m:esiid>",
            ),
            _request(service, "CancelTextMessage", "<m:requestId>1000000001</m:requestId>"),
            _request(service, "GetMessageLog", "<m:fromDate>11/20/2026</m:fromDate><m:toDate>11/20/2026</m:toDate>"),
        ],
        "CSPAuthorization": [
            _request(
                service,
                "NewAgreement",
                "<m:agreementType>ONE_TIME</m:agreementType><m:customerPermission>true</m:customerPermission>"
                "<m:registered>true</m:registered><m:customerEmail>ana@customer.example</m:customerEmail>"
                f"<m:meter><m:esiid>{ESIID}</m:esiid></m:meter><m:reportType>DAILY</m:reportType>"
                "<m:reportFormat>CSV</m:reportFormat><m:reportPeriod>13M</m:reportPeriod>",
            ),
            _request(service, "MyAgreements", "<m:searchBy>NUMBER</m:searchBy><m:item>102*</m:item><m:page>2</m:page>"),
            _request(service, "TerminateAgreement", "<m:agreementNumber>102512000233</m:agreementNumber>" * 2),
            _request(service, "AuthorizedESIIDs", f"<m:afterEsiid>{ESIID}</m:afterEsiid>"),
        ],
        "RequesterCallback": [
            _callback(
                "ReportReady",
                "<m:status>COMPLETE</m:status><m:fileCount>3</m:fileCount><m:esiidDaysAsked>31</m:esiidDaysAsked>"
                "<m:esiidDaysDelivered>31</m:esiidDaysDelivered><m:esiidDaysExcepted>0</m:esiidDaysExcepted>"
                "<m:expiresAt>2026-11-30T15:00:00Z</m:expiresAt>",
            ),
            _callback("MessageStatusChanged", f"<m:esiid>{ESIID}</m:esiid><m:status>CON</m:status>"),
            _callback(
                "DeviceStatusChanged",
                f"<m:esiid>{ESIID}</m:esiid><m:deviceMacAddress>00158D00012345AB</m:deviceMacAddress>"
                "<m:status>ADD_FAILED</m:status><m:reason>no answer</m:reason>",
            ),
        ],
        "TDSPCallback": [
            _request(
                service,
                "PostProvisioningStatus",
                f"<m:post><m:requestId>17</m:requestId><m:esiid>{ESIID}</m:esiid><m:statusCode>FAILED</m:statusCode>"
                "<m:reasonCode>JOIN_WINDOW_CLOSED</m:reasonCode><m:statusTimestamp>2026-11-20T15:00:00Z"
                "</m:statusTimestamp></m:post>" * 2,
            ),
            _request(
                service,
                "PostMessageStatus",
                f"<m:post><m:requestId>17</m:requestId><m:esiid>{ESIID}</m:esiid><m:statusCode>STR</m:statusCode>"
                "<m:statusTimestamp>2026-11-20T09:00:00-06:00</m:statusTimestamp><m:sepEventStatus>2</m:sepEventStatus>"
                "</m:post>",
            ),
            _request(
                service,
                "PostMeterExchange",
                f"<m:post><m:esiid>{ESIID}</m:esiid><m:oldMeterSerialNumber>1LG</m:oldMeterSerialNumber>"
                "<m:newMeterSerialNumber>2LG</m:newMeterSerialNumber><m:exchangedAt>2026-11-20T15:00:00Z</m:exchangedAt>"
                "<m:hanCapable>true</m:hanCapable></m:post>",
            ),
        ],
        "TDSPHan": [
            _han(
                "AddDevice",
                f"<m:requestId>17</m:requestId><m:esiid>{ESIID}</m:esiid><m:meterSerialNumber>1LG</m:meterSerialNumber>"
                "<m:deviceMACAddr>00158D00012345AB</m:deviceMACAddr><m:installCode>83FED3407A93972397FC</m:installCode>"
                "<m:deviceType>IHD</m:deviceType>",
            ),
            _han(
                "RemoveDevice",
                f"<m:requestId>17</m:requestId><m:esiid>{ESIID}</m:esiid><m:meterSerialNumber>1LG</m:meterSerialNumber>"
                "<m:deviceMACAddr>00158D00012345AB</m:deviceMACAddr>",
            ),
            _han("DeliverMessage", f"<m:delivery><m:requestId>17</m:requestId>{_CARRIED}</m:delivery>" * 2),
            _han(
                "CancelMessage",
                "<m:cancellation><m:requestId>17</m:requestId><m:messageCancellationId>18</m:messageCancellationId>"
                f"{_CARRIED}</m:cancellation>",
            ),
        ],
    }[service]
    bad = [
        changed
        for message in good
        for change in (
            lambda text: text.replace(">REP<", "><"),
            lambda text: text.replace(">103994067<", ">10399406<"),
            lambda text: text.replace("<m:SMTTermsandConditions>Y</m:SMTTermsandConditions>", ""),
            lambda text: text.replace("<m:trans_id>", "<m:trans_id x='1'>"),
            lambda text: text.replace("</m:trans_id>", "x" * 80 + "</m:trans_id>"),
            lambda text: text.replace("<m:requestorID>", "<m:requestorId>").replace(
                "</m:requestorID>", "</m:requestorId>"
            ),
            lambda text: text.replace(">17</m:correlationId>", ">A17</m:correlationId>"),
            lambda text: text.replace(">13M<", ">13m<"),
            lambda text: text.replace("<m:page>2<", "<m:page>0<"),
            lambda text: text.replace(">102512000233<", ">10251200023<"),
            lambda text: text.replace("00158D00012345AB", "00:15:8D:00:01:23:45:AB"),
            lambda text: text.replace("<m:cluster>0703<", "<m:cluster>703<"),
            lambda text: text.replace("A1C8000000<", "A1C800000<"),
            lambda text: text.replace("97FC<", "97<"),
        )
        if (changed := change(message)) != message
    ]
    assert len(bad) >= 2 * len(good)
    for messages, expected in ((good, True), (bad, False)):
        for message in messages:
            document = etree.fromstring(message)
            assert (published.validate(document), generated.validate(document)) == (expected, expected), message


@pytest.mark.parametrize("service", SERVICES)
def test_the_wsdl_declares_both_bindings_uri_actions_typed_faults_and_words_for_developers(service):
    root = etree.parse(ROOT / "wsdl" / f"{service}.wsdl").getroot()
    contract = _contract(service)
    for version in ("", "12"):
        soap = f"{{http://schemas.xmlsoap.org/wsdl/soap{version}/}}"
        actions = {el.get("soapAction") for el in root.iter(f"{soap}operation")}
        assert actions == {contract.action(operation) for operation in contract.operations}
        assert len(list(root.iter(f"{soap}fault"))) == len(contract.operations)
        assert len(list(root.iter(f"{soap}address"))) == 1
    for operation in root.iterfind(f"{WSDL}portType/{WSDL}operation"):
        assert len(operation.findtext(f"{WSDL}documentation")) > 40
        assert operation.find(f"{WSDL}fault").get("message") == "t:HubFault"
    assert _with_address(b'<soap12:address location="x"/>', 'https://h/?a&"b"') == (
        b'<soap12:address location="https://h/?a&amp;&quot;b&quot;"/>'
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_type_of_the_schemas_is_explained_or_plain(service):
    root = etree.parse(ROOT / "xsd" / f"{service}.xsd").getroot()
    for operation in _contract(service).operations:
        (type_,) = root.iterfind(f"{XS}complexType[@name='{operation}']")
        assert type_.findtext(f"{XS}annotation/{XS}documentation"), operation


HEADER = {
    "trans_id": "z-1",
    "requestorID": "tests",
    "requesterType": "REP",
    "requesterAuthenticationID": "103994067",
    "SMTTermsandConditions": "Y",
}
ORDER = HEADER | {"startDate": "01/01/2026", "endDate": "01/31/2026", "reportFormat": "CSV", "esiid": [ESIID, ESIID]}


@pytest.mark.parametrize("port", ["MeterUsageSoap11", "MeterUsageSoap12"])
def test_zeep_builds_a_call_that_the_hub_takes_and_reads_the_answer(hub, port):  # noqa: F811
    client = zeep.Client(str(ROOT / "wsdl" / "MeterUsage.wsdl"), service_name="MeterUsage", port_name=port)
    envelope = client.create_message(client.service, "RequestIntervalData", **ORDER)
    soap = etree.QName(envelope).namespace
    body = envelope.find(f"{{{soap}}}Body")[0]
    kind = "text/xml" if port.endswith("11") else "application/soap+xml"
    answer = hub.post(hub.sign(etree.tostring(body), soap=soap), kind=kind)
    assert answer.status == 200, answer.content
    element = client.get_element("{urn:smt-ws:MeterUsage:1}RequestIntervalDataResponse")
    read = element.parse(hub.verified(answer), client.wsdl.types)
    assert (read.correlationId, read.esiidsAsked, read.repeated) == ("17", 2, None)


def test_zeep_reads_the_wsdl_as_it_is_served(hub):  # noqa: F811
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = str(hub.ca.path)
    session.cert = (str(hub.rep.path), str(hub.rep.key_path))
    with session:
        for service in SERVED:
            address = f"https://localhost:{hub.port}/soap/{service}?wsdl"
            client = zeep.Client(address, transport=zeep.Transport(session=session))
            (found,) = client.wsdl.services.values()
            assert {port.binding_options["address"] for port in found.ports.values()} == {
                f"https://hub.example:5200/soap/{service}"
            }
            assert set(found.ports[f"{service}Soap11"].binding._operations) == set(_contract(service).operations)


NODE = """
const soap = require('soap');
(async () => {
  const client = await soap.createClientAsync(process.argv[2]);
  client.on('request', xml => console.log(JSON.stringify(xml)));
  try { await client.RequestIntervalDataAsync(JSON.parse(process.argv[3])); } catch (e) { /* nobody listens there */ }
})();
"""


@pytest.mark.interop
def test_node_soap_builds_a_call_that_the_hub_takes(hub, tmp_path):  # noqa: F811
    if shutil.which("npm") is None:
        pytest.skip("npm is missing: install Node.js 20 to run this")
    got = subprocess.run(["npm", "install", "--silent", "soap@1"], cwd=tmp_path, capture_output=True, timeout=180)
    if got.returncode:
        pytest.skip("npm could not install the package soap: give it a registry that it can reach")
    (tmp_path / "call.js").write_text(NODE)
    wsdl = ROOT / "wsdl" / "MeterUsage.wsdl"
    done = subprocess.run(
        ["node", "call.js", str(wsdl), json.dumps(ORDER)], cwd=tmp_path, capture_output=True, timeout=180, check=True
    )
    envelope = etree.fromstring(json.loads(done.stdout.splitlines()[0]).encode())
    body = envelope.find("{http://schemas.xmlsoap.org/soap/envelope/}Body")[0]
    answer = hub.post(hub.sign(etree.tostring(body)))
    assert answer.status == 200, answer.content
    assert answer.text("esiidsAsked") == "2"
