"""Spyne 2.14.0 behind the shim on newer Pythons: a signed call is dispatched in a virtual environment of their own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SMOKE = """
import datetime as dt, io, sys
from pathlib import Path
from adapters.soap import protocol
from spyne import ServiceBase, rpc
from adapters.soap import wssecurity
from adapters.soap.contract import Contract
from smt_ws.soap import model
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

root = Path(sys.argv[1])
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smoke")])
now = dt.datetime.now(dt.UTC)
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256()))

contract = Contract(root / "wsdl/MeterUsage.wsdl", root / "xsd/MeterUsage.xsd")

def uncalled(operation):
    def method(ctx, request):
        raise NotImplementedError
    method.__name__ = operation
    request, response = getattr(model, operation), getattr(model, f"{operation}Response")
    return rpc(request, _returns=response, _body_style="bare")(method)

class MeterUsage(ServiceBase):
    @rpc(model.CancelRequest, _returns=model.CancelRequestResponse, _body_style="bare")
    def CancelRequest(ctx, request):
        return model.CancelRequestResponse(trans_id=request.trans_id, statusCode="0", statusReason=ctx.udc.caller,
            correlationId=request.correlationId, status="CANCELLED")
    vars().update({name: uncalled(name) for name in contract.operations if name != "CancelRequest"})

hooks = protocol.Hooks(authenticate=lambda verified, environ: "somebody", is_registered=lambda environ: True,
    signer=lambda: (key, certificate))
for soap, app in zip(("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
                     protocol.build_service(MeterUsage, contract=contract, hooks=hooks)):
    for number, expected in (("17", "200 OK"), ("seventeen", "")):
        envelope = etree.fromstring(f'<e:Envelope xmlns:e="{soap}"><e:Header/><e:Body>'
            '<m:CancelRequest xmlns:m="urn:smt-ws:MeterUsage:1">'
            '<m:trans_id>1</m:trans_id><m:requestorID>a</m:requestorID>'
            '<m:requesterType>REP</m:requesterType><m:requesterAuthenticationID>123456789</m:requesterAuthenticationID>'
            f'<m:SMTTermsandConditions>Y</m:SMTTermsandConditions><m:correlationId>{number}</m:correlationId>'
            '</m:CancelRequest></e:Body></e:Envelope>')
        message = wssecurity.sign(envelope, key=key, certificate=certificate, now=dt.datetime.now(dt.UTC))
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "x",
            "SERVER_PORT": "1", "CONTENT_TYPE": "text/xml", "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(),
            protocol.MESSAGE: message}
        status = []
        answer = b"".join(app(environ, lambda line, headers, exc_info=None: status.append(line)))
        body = wssecurity.verify(etree.fromstring(answer), now=dt.datetime.now(dt.UTC)).body
        if expected:
            assert status == [expected], answer
            assert body.findtext("{*}statusReason") == "somebody", answer
        else:
            assert b"SCHEMA_VIOLATION" in answer, answer
print("dispatched", sys.version_info[:2])
"""


def _interpreter(version: str) -> str | None:
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True),
        *([on_path] if on_path else []),
    ]
    for candidate in candidates:
        # a pyenv shim on PATH is there for versions that are not
        if subprocess.run([str(candidate), "-c", "import venv"], capture_output=True).returncode == 0:
            return str(candidate)
    return None


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("version", "further"), [("3.12", []), ("3.13", ["legacy-cgi"])])
def test_a_signed_call_is_dispatched(version, further, tmp_path):
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here: install it, or by pyenv, to run this")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    fresh = str(tmp_path / "venv" / "bin" / "python")
    wanted = ["lxml>=6.1", "spyne==2.14.0", "six>=1.17", "cryptography>=50", *further]
    got = subprocess.run([fresh, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"pip could not install {', '.join(wanted)}: give it an index that it can reach")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [fresh, "-W", "ignore", "-c", SMOKE, str(ROOT)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    major, minor = version.split(".")
    assert done.stdout.strip() == f"dispatched ({major}, {minor})"
