"""What the soapUI project asks the hub, and what it must answer: the tables behind `make_project.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Project properties, their first values (those of a new sandbox) and what they are for.
PROPERTIES: Final = {
    "endpoint": ("https://127.0.0.1:5200/soap", "Where the hub is; each service stands under its name."),
    "certificates": ("../sandbox/certs", "Folder of the keystores, from this file or absolute."),
    "keystore_password": ("sample", "Password of the signing key inside its keystore."),
    "signing_alias": ("pecan-energy-signing", "Name of the signing key inside its keystore."),
    "requestorID": ("soapui", "Your system's service id."),
    "requesterType": ("REP", "REP, ROR, CSP, TDSP or REG."),
    "requesterAuthenticationID": ("111111111", "Your DUNS number."),
    "startDate": ("11/01/2026", "First operating day; this one has 100 intervals."),
    "endDate": ("11/07/2026", "Last operating day."),
    "fromDate": ("11/20/2026", "First day of submission, for lists."),
    "toDate": ("12/31/2027", "Last day of submission, for lists."),
    "correlationId": ("1", "The order to ask about; the test suite puts its newest here."),
}
#: The two keystores, by the file name that other parts of a project know a keystore by. soapUI expands properties in
#: the path of a keystore, but not in its password.
TLS_KEYSTORE: Final = "pecan-energy-tls.p12"
SIGNING_KEYSTORE: Final = "pecan-energy-signing.p12"
KEYSTORE_PASSWORD: Final = "sample"  # noqa: S105 - of sample keystores, which protect nothing

#: Two homes of the sandbox that Pecan Energy serves (seed 7, 200 premises).
ESIIDS: Final = ("10443720030350293", "10443720035680273")

#: The value of an element of a request, by its name; other optional elements are left out.
VALUES: Final[Mapping[str, Sequence[str]]] = {
    # a fresh one each time: the same request again would be answered as a repeat
    "trans_id": ["${=java.util.UUID.randomUUID()}"],
    "SMTTermsandConditions": ["Y"],
    "version": ["L"],
    "readingType": ["A"],
    "reportFormat": ["CSV"],
    "deliveryMode": ["FTP"],
    "esiid": ESIIDS,
    # everything, from the first load on
    "loadMark": ["0"],
    "dataType": ["INTERVAL"],
    # a home of the sandbox that another REP serves, and its customer, whom you have met
    "agreementType": ["ONE_TIME"],
    "customerPermission": ["true"],
    "registered": ["false"],
    "customerType": ["RESIDENTIAL"],
    "firstName": ["Chika"],
    "lastName": ["Akin"],
    "street": ["400 N Olive Street"],
    "city": ["Dallas"],
    "state": ["TX"],
    "zip": ["75201"],
    "customerEmail": ["chika.akin@customer.example"],
    "meter": ["<m:esiid>10443720003734241</m:esiid><m:meterNumber>104376809LG</m:meterNumber>"],
    "reportType": ["INTERVAL"],
    "reportPeriod": ["3M"],
    # MyAgreements tells the numbers of yours
    "agreementNumber": ["010100000001"],
    # a sample device for the first of the two homes, and messages for both
    "meterSerialNumber": ["104685339LG"],
    "deviceMACAddr": ["00:0D:6F:00:0A:BC:DE:F0"],
    "installCode": ["83FED3407A93972397FC"],
    "deviceType": ["PCT"],
    "messageText": ["Peak day: please conserve 3-7pm"],
    "criticalityLevel": ["2"],
    "durationMinutes": ["60"],
    "coolingOffset": ["2.0"],
    "providerId": ["111111111"],
    "rateLabel": ["ONPEAK"],
    "price": ["0.1875"],
    # the answer to a message tells its number
    "requestId": ["1000000001"],
    # MySubscriptions tells the numbers of yours
    "subscriptionId": ["1"],
    **{
        name: [f"${{#Project#{name}}}"]
        for name in PROPERTIES
        if name not in {"endpoint", "certificates", "keystore_password", "signing_alias"}
    },
}


@dataclass(frozen=True)
class XPathMatch:
    """What an XPath over the answer must give. ``m`` is the service's namespace, ``c`` that of the common types."""

    name: str
    path: str
    content: str


@dataclass(frozen=True)
class Step:
    """One request of the test suite: an operation, other values than usual, and what its answer must hold."""

    name: str
    operation: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expects: Sequence[XPathMatch] = ()
    #: True: a fault must come; False: none may; None: either may, the XPaths say which.
    fault: bool | None = False
    #: Whether the order number of the answer becomes the project's.
    keeps_order: bool = False


DONE: Final = XPathMatch("it was done", "//m:statusCode", "0")


def _code(code: str) -> XPathMatch:
    return XPathMatch(f"the code is {code}", "//c:HubFault/c:code", code)


#: The test suite, run over each binding in this order.
STEPS: Final = (
    Step(
        "Who does the hub take me for",
        "Ping",
        expects=[DONE, XPathMatch("it is my company", "//m:dunsNumber[1]", "${#Project#requesterAuthenticationID}")],
    ),
    Step(
        "Order interval data",
        "RequestIntervalData",
        expects=[
            DONE,
            XPathMatch("both ESI IDs are asked", "//m:esiidsAsked", str(len(ESIIDS))),
            XPathMatch("none is refused", "//m:esiidsRefused", "0"),
        ],
        keeps_order=True,
    ),
    Step("Order the same as Green Button", "RequestIntervalData", values={"reportFormat": ["XML"]}, expects=[DONE]),
    Step("Order the same as LSE", "RequestIntervalData", values={"reportFormat": ["LSE"]}, expects=[DONE]),
    Step("Order daily reads", "RequestDailyReads", expects=[DONE]),
    Step("Order monthly billing", "RequestMonthlyBilling", expects=[DONE]),
    Step(
        "Order what is new since a load mark",
        "RequestChanges",
        expects=[DONE, XPathMatch("it tells the next mark", "number(//m:loadMark) > 0", "true")],
    ),
    Step(
        "What is missing, and why",
        "MissingUsage",
        expects=[DONE, XPathMatch("every day is told of", "//m:esiidDaysAsked > 0", "true")],
    ),
    Step(
        "Where are my premises",
        "GetPremiseInformation",
        expects=[DONE, XPathMatch("both are told", f"count(//m:premise) = {len(ESIIDS)}", "true")],
    ),
    Step(
        "Which meters hang there",
        "GetMeterInformation",
        expects=[DONE, XPathMatch("both are told", f"count(//m:meter) = {len(ESIIDS)}", "true")],
    ),
    Step(
        "What do I get every day",
        "MySubscriptions",
        expects=[DONE, XPathMatch("interval data", "count(//m:subscription[m:dataType = 'INTERVAL']) > 0", "true")],
    ),
    Step(
        "Subscribe to what I get already",
        "NewSubscription",
        expects=[_code("SUBSCRIPTION_ALREADY_ACTIVE")],
        fault=True,
    ),
    Step(
        "End nobody's subscription",
        "UnSubscription",
        values={"subscriptionId": ["999999999999999999"]},
        expects=[_code("SUBSCRIPTION_UNKNOWN")],
        fault=True,
    ),
    Step(
        "Ask a customer of another REP for a report",
        "NewAgreement",
        expects=[
            XPathMatch(
                "Pending, or refused: one is Pending already, or it is the fourth within a year",
                "//m:agreement/m:status = 'PENDING' or //c:HubFault/c:code = 'INVITATION_PENDING'"
                " or //c:HubFault/c:code = 'ONE_TIME_LIMIT'",
                "true",
            )
        ],
        fault=None,
    ),
    Step(
        "Ask a customer with the wrong meter",
        "NewAgreement",
        values={"meter": ["<m:esiid>10443720003734241</m:esiid><m:meterNumber>1</m:meterNumber>"]},
        expects=[_code("CUSTOMER_UNCONFIRMED")],
        fault=True,
    ),
    Step(
        "Which customers have I asked",
        "MyAgreements",
        values={"agreementType": ["ONE_TIME"]},
        expects=[DONE, XPathMatch("one at least", "//m:totalCount > 0", "true")],
    ),
    *(
        Step(f"Name nobody's agreement to {operation}", operation, expects=[_code("AGREEMENT_UNKNOWN")], fault=True)
        for operation in ("AgreementDetails", "AgreementESIIDs", "ResendInvitation", "ChangeAgreement")
    ),
    Step(
        "End nobody's agreement",
        "TerminateAgreement",
        expects=[DONE, XPathMatch("it says so", "//m:result/m:code", "AGREEMENT_UNKNOWN")],
    ),
    Step(
        "What may I see",
        "AuthorizedESIIDs",
        expects=[DONE, XPathMatch("those that I serve", "count(//m:authorized[m:basis = 'SERVICE']) > 0", "true")],
    ),
    Step(
        "Add a device to a home",
        "ProvisionDevice",
        values={"esiid": ESIIDS[:1]},
        expects=[
            XPathMatch(
                "asked, or there from before",
                "//m:status = 'ADD_ACKNOWLEDGED' or //c:HubFault/c:code = 'DEVICE_THERE_ALREADY'",
                "true",
            )
        ],
        fault=None,
    ),
    Step(
        "Add a device with a wrong digit in its code",
        "ProvisionDevice",
        values={"esiid": ESIIDS[:1], "installCode": ["83FED3407A93972398FC"]},
        expects=[_code("INSTALL_CODE_CRC")],
        fault=True,
    ),
    Step(
        "Which devices are there",
        "GetDevices",
        expects=[DONE, XPathMatch("the sample", "//m:device/m:deviceMACAddr", "000D6F000ABCDEF0")],
    ),
    Step(
        "Take the add back",
        "CancelPendingProvision",
        values={"esiid": ESIIDS[:1]},
        expects=[
            XPathMatch(
                "taken back, or not pending any more",
                "//m:status = 'REMOVE_ACKNOWLEDGED' or //c:HubFault/c:code = 'NO_PENDING_ADD'",
                "true",
            )
        ],
        fault=None,
    ),
    Step(
        "Remove the device",
        "DeprovisionDevice",
        values={"esiid": ESIIDS[:1]},
        expects=[
            XPathMatch(
                "asked, or under way already",
                "//m:status = 'REMOVE_ACKNOWLEDGED' or //c:HubFault/c:code = 'DEVICE_NOT_REMOVABLE'",
                "true",
            )
        ],
        fault=None,
    ),
    *(
        Step(
            f"{operation} to a home without devices",
            operation,
            values={"esiid": ESIIDS[1:]},
            expects=[_code("NO_DEVICE")],
            fault=True,
        )
        for operation in ("SendTextMessage", "SendLoadControlEvent", "SendPrice")
    ),
    Step(
        "Send an event that lasts a minute too long",
        "SendLoadControlEvent",
        values={"durationMinutes": ["1441"]},
        expects=[_code("DURATION_OUT_OF_RANGE")],
        fault=True,
    ),
    *(
        Step(
            f"Name nobody's message to {operation}",
            operation,
            values={"requestId": ["999999999999999999"]},
            expects=[_code("MESSAGE_UNKNOWN")],
            fault=True,
        )
        for operation in ("CancelTextMessage", "CancelLoadControlEvent", "GetMessageStatus")
    ),
    Step(
        "End all events of mine",
        "CancelAllLoadControlEvents",
        expects=[DONE, XPathMatch("there were none", "count(//m:cancelled) = 0", "true")],
    ),
    Step(
        "What does the message log say",
        "GetMessageLog",
        values={"deliveryMode": ["API"]},
        expects=[DONE, XPathMatch("all of it", "//m:morePages", "false")],
    ),
    Step(
        "How is my order",
        "GetStatus",
        expects=[DONE, XPathMatch("it is that order", "//m:order/m:correlationId", "${#Project#correlationId}")],
    ),
    Step(
        "Which orders have I placed",
        "ListRequests",
        expects=[
            DONE,
            XPathMatch("mine is among them", "//m:order/m:correlationId", "${#Project#correlationId}"),
        ],
    ),
    Step(
        "Take my order back",
        "CancelRequest",
        expects=[
            XPathMatch(
                "cancelled, or finished before",
                "//m:CancelRequestResponse/m:status = 'CANCELLED' or //c:HubFault/c:code = 'ORDER_FINISHED'",
                "true",
            )
        ],
        fault=None,
    ),
    Step(
        "Order with the dates exchanged",
        "RequestIntervalData",
        values={"startDate": ["${#Project#endDate}"], "endDate": ["${#Project#startDate}"]},
        expects=[_code("END_BEFORE_START")],
        fault=True,
    ),
    Step(
        "Ask about nobody's order",
        "GetStatus",
        values={"correlationId": ["999999999999999999"]},
        expects=[_code("ORDER_UNKNOWN")],
        fault=True,
    ),
)
